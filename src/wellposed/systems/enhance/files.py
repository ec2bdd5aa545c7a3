"""Enhancing files and folders, with a line for each file and an exit status for them all.

Promises: one bad file never keeps the others from being done, and is never passed over in silence;
a target appears complete or not at all; no input is ever overwritten.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from wellposed.data.audio import AudioInfo, blocks, inspect
from wellposed.data.audio_stream import fine_subtype, writing
from wellposed.data.targets import plan
from wellposed.errors import DataError, WellposedError
from wellposed.systems.enhance.use import Enhancer

PLAIN_EVERY_S = 10.0
"""Seconds between lines of progress where there is no terminal."""
BLOCK = 1 << 18
"""Samples read at once: 16 s at 16 kHz, 2 MB for two channels."""

Advance = Callable[[float, float], None]
"""Told the seconds of audio done so far, and those of the whole file."""


@dataclass(frozen=True)
class Done:
    """One enhanced file."""

    info: AudioInfo
    """Of the source."""
    target: Path
    took_s: float
    limited: int
    """Samples beyond full scale that were limited to it."""

    @property
    def real_time_factor(self) -> float:
        """Seconds of work per second of audio."""
        return self.took_s / self.info.seconds

    def line(self) -> str:
        """Say in one line what was done."""
        info = self.info
        channels = "1 channel" if info.channels == 1 else f"{info.channels} channels"
        text = (
            f"{info.path} -> {self.target}: {info.seconds:.2f} s, {channels}, {info.rate} Hz, "
            f"real-time factor {self.real_time_factor:.3f}"
        )
        if self.limited:
            text += f"; {self.limited} samples beyond full scale were limited to it"
        return text


def enhance_file(
    enhancer: Enhancer, source: Path, target: Path, advance: Advance | None = None
) -> Done:
    """Enhance one file in bounded memory; the suffix of `target` decides the format.

    Inputs of 24 or 32 bits or floating point keep that resolution where the format has it; all
    others become 16-bit PCM, or what is usual for a lossy format. Tags are not carried over.
    Raises DataError: as `audio.inspect`, `audio.blocks` and `audio.write`.
    """
    started = time.perf_counter()
    info = inspect(source)
    subtype = fine_subtype(source, target)
    with writing(target, info.rate, info.channels, frames=info.frames, subtype=subtype) as sink:
        for block in enhancer.stream(
            blocks(source, BLOCK),
            info.rate,
            info.frames,
            lambda share: advance(share * info.seconds, info.seconds) if advance else None,
        ):
            sink.write(block)
    return Done(info, target, time.perf_counter() - started, sink.limited)


def enhance_paths(
    inputs: Sequence[Path],
    output: Path | None = None,
    *,
    model: Path | str | None = None,
    device: str = "cpu",
    overwrite: bool = False,
    console: Console | None = None,
    errors: Console | None = None,
) -> int:
    """Enhance files and folders; print a line for each, errors to `errors` (standard error).

    `inputs` and `output` as `targets.plan`, `model` and `device` as `Enhancer.load`. Returns the
    exit status: 0 all done, 1 something failed, 2 nothing to do. Raises CheckpointError and
    RecipeError of `Enhancer.load`.
    """
    console = console or Console()
    errors = errors or Console(stderr=True)
    try:
        made = plan(inputs, output, overwrite=overwrite)
    except DataError as error:
        _say(errors, f"error: {error}")
        return 2
    for problem in made.refused:
        _say(errors, f"error: {problem}")
    if not made.jobs:
        if made.refused:
            return 1
        _say(errors, "nothing to do: name audio files or folders, or see --help")
        return 2
    enhancer = Enhancer.load(model, device)
    enhancer.notice = lambda text: _say(errors, f"note: {text}")
    finished: list[Done] = []
    for number, (source, target) in enumerate(made.jobs, 1):
        try:
            with _Meter(console, f"{number}/{len(made.jobs)} {source}") as advance:
                finished.append(enhance_file(enhancer, source, target, advance))
        except (WellposedError, OSError) as error:
            where = "" if str(source) in str(error) else f"{source}: "
            _say(errors, f"error: {where}{error}")
        else:
            _say(console, finished[-1].line())
    total = len(made.jobs) + len(made.refused)
    if total > 1:
        _say(console, _summary(finished, total))
    return 0 if len(finished) == total else 1


def _summary(finished: Sequence[Done], total: int) -> str:
    seconds = sum(done.info.seconds for done in finished)
    factor = sum(done.took_s for done in finished) / seconds if seconds else 0.0
    return (
        f"{len(finished)} done ({seconds:.1f} s of audio, real-time factor {factor:.3f}), "
        f"{total - len(finished)} failed"
    )


def _say(console: Console, text: str) -> None:
    # Paths may hold square brackets, and a line in a file must not be broken at column 80.
    console.print(text, markup=False, highlight=False, soft_wrap=True)


class _Meter:
    """Progress of one file: a bar on a terminal, now and then a line elsewhere."""

    def __init__(self, console: Console, name: str) -> None:
        self.console, self.name = console, name
        self.started = self.told = time.monotonic()
        columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
        self.bar = Progress(*columns, console=console, transient=True)
        self.task = self.bar.add_task(escape(name), total=None)

    def __enter__(self) -> Advance:
        if self.console.is_terminal:
            self.bar.start()
        return self._advance

    def __exit__(self, *_: object) -> None:
        if self.console.is_terminal:  # elsewhere it was never started, and stopping prints a line
            self.bar.stop()

    def _advance(self, done_s: float, total_s: float) -> None:
        self.bar.update(self.task, completed=done_s, total=total_s)
        now = time.monotonic()
        if self.console.is_terminal or now - self.told < PLAIN_EVERY_S or done_s >= total_s:
            return
        self.told = now
        factor = (now - self.started) / done_s
        _say(
            self.console,
            f"{self.name}: {done_s:.0f} of {total_s:.0f} s, real-time factor {factor:.3f}, "
            f"{factor * (total_s - done_s):.0f} s left",
        )
