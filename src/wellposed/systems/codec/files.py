"""Coding files, folders and pipes, with a line for each and an exit status for them all.

Promises: one bad file never keeps the others from being done, and is never passed over in silence;
a target appears complete or not at all; no input is ever overwritten.
"""

import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from wellposed.data.audio import Waveform, blocks, inspect
from wellposed.data.audio_stream import Sink, writing
from wellposed.data.targets import Naming, plan
from wellposed.data.wav_stream import WavInput, WavOutput
from wellposed.engine.storage.atomic import replacing
from wellposed.errors import DataError, WellposedError
from wellposed.metrics.rate import actual_kbps
from wellposed.systems.codec.bitstream.chunks import END_SIZE, SIZE
from wellposed.systems.codec.bitstream.header import VERSION
from wellposed.systems.codec.bitstream.layers import Depth
from wellposed.systems.codec.bitstream.reader import Reader, Report
from wellposed.systems.codec.bitstream.scan import Missing
from wellposed.systems.codec.bitstream.tables import Tables, train_tables
from wellposed.systems.codec.bitstream.truncate import truncate
from wellposed.systems.codec.coder import Coder, Settings

WPC = frozenset({".wpc"})
CODED = Naming(suffix=".wpc", writes=WPC)
DECODED = Naming(mark="-decoded", suffix=".wav", reads=WPC, what=".wpc file")
CUT = Naming(mark="-cut", reads=WPC, writes=WPC, what=".wpc file")
PIPE = Path("-")
"""Stands for standard input, or standard output."""
_BLOCK = 1 << 18


@dataclass(frozen=True)
class Done:
    """One file that was coded, decoded or cut."""

    line: str
    """What to tell about it."""
    sound: bool = True
    """Whether all of the source was whole."""


def each_file(
    inputs: Sequence[Path],
    output: Path | None,
    naming: Naming,
    work: Callable[[Path, Path], Done],
    *,
    overwrite: bool,
) -> int:
    """Do `work` on every source with its target, and tell about each on standard error.

    Returns the exit status: 0 all done, 1 something failed or was damaged, 2 nothing to do.
    """
    made = plan(inputs, output, overwrite=overwrite, naming=naming)
    for problem in made.refused:
        tell(f"error: {problem}")
    sound = not made.refused
    for source, target in made.jobs:
        try:
            done = work(source, target)
            tell(done.line)
            sound = sound and done.sound
        except (WellposedError, OSError) as error:
            where = "" if str(source) in str(error) else f"{source}: "
            tell(f"error: {where}{error}")
            sound = False
    if not sound:
        return 1
    if not made.jobs:
        tell("nothing to do: name files or folders, or see --help")
        return 2
    return 0


def tell(line: str) -> None:
    """Print to standard error: standard output may be sound."""
    print(line, file=sys.stderr)


def encode_file(coder: Coder, source: Path, target: Path, settings: Settings) -> Done:
    """Code a sound file; return a line about it. Raises DataError and OSError."""
    started = time.perf_counter()
    info = inspect(source)
    target.parent.mkdir(parents=True, exist_ok=True)
    with replacing(target) as sink:
        writer = coder.encode(
            blocks(source, _BLOCK), info.rate, info.channels, info.frames, sink, settings
        )
    took = time.perf_counter() - started
    rate = writer.bytes * 8 / 1000 / info.seconds
    return Done(
        f"{source} -> {target}: {info.seconds:.2f} s, {_channels(info.channels)}, {info.rate} Hz, "
        f"{writer.bytes} bytes, {rate:.2f} kbit/s, real-time factor {took / info.seconds:.3f}"
    )


def encode_pipe(coder: Coder, source: Path, output: Path, settings: Settings) -> Done:
    """Code a file or the WAV stream of standard input, to a file or to standard output."""
    if source == PIPE:
        wav = WavInput(sys.stdin.buffer, "standard input")
        given = wav.blocks(), wav.rate, wav.channels, wav.samples
    else:
        info = inspect(source)
        given = blocks(source, _BLOCK), info.rate, info.channels, info.frames
    if output == PIPE:
        writer = coder.encode(*given, sys.stdout.buffer, settings)
        sys.stdout.buffer.flush()
    else:
        with replacing(output) as sink:
            writer = coder.encode(*given, sink, settings)
    return Done(f"{_name(source)} -> {_name(output)}: {writer.bytes} bytes")


def decode_file(coder: Coder, source: Path, target: Path, start_s: float = 0.0) -> Done:
    """Decode a file from `start_s` on, or standard input; return a line with what was damaged."""
    began = time.perf_counter()
    with reading(source) as stream:
        reader = coder.open(stream, _name(source))
        header = reader.header
        start = round(start_s * header.output_rate)
        if header.samples is not None and start >= header.samples > 0:
            raise DataError(
                f"{_name(source)}: asked for {start_s:g} s, it ends at "
                f"{header.samples / header.output_rate:.3f} s"
            )
        samples = None if header.samples is None else header.samples - start
        sound = coder.decode(reader, start)
        if target == PIPE:
            sink = WavOutput(sys.stdout.buffer, header.output_rate, header.channels, samples)
            done = sum(_put(sink, block) for block in sound)
            sys.stdout.buffer.flush()
        else:
            shape = header.output_rate, header.channels
            with writing(target, *shape, frames=samples or 0) as sink:
                done = sum(_put(sink, block) for block in sound)
    seconds = done / header.output_rate
    factor = (time.perf_counter() - began) / max(seconds, 1e-9)
    line = (
        f"{_name(source)} -> {_name(target)}: {seconds:.2f} s, {_channels(header.channels)}, "
        f"{header.output_rate} Hz, real-time factor {factor:.3f}"
    )
    if sink.limited:
        line += f"; {sink.limited} samples beyond full scale were limited to it"
    return _done(line, reader.report)


def truncate_file(
    source: Path,
    target: Path,
    *,
    stages: int | None,
    kbps: float | None,
    tables: Tables | None,
) -> Done:
    """Copy a file with fewer stages; `tables` are wanted for an entropy-coded one."""
    with reading(source) as stream:
        reader = Reader(stream, _name(source))
        if reader.header.tables is not None:
            if tables is None:
                raise DataError(
                    f"{_name(source)}: entropy-coded; give the weights whose tables it needs "
                    "(--model)"
                )
            reader.use(tables)
        if target == PIPE:
            writer = truncate(reader, sys.stdout.buffer, stages=stages, kbps=kbps)
            sys.stdout.buffer.flush()
        else:
            target.parent.mkdir(parents=True, exist_ok=True)
            with replacing(target) as sink:
                writer = truncate(reader, sink, stages=stages, kbps=kbps)
    line = f"{_name(source)} -> {_name(target)}: {writer.bytes} bytes"
    return _done(line, reader.report)


def info_file(source: Path) -> tuple[list[str], bool]:
    """Lines about a file, all of it read, and whether it is whole. Needs no weights."""
    with reading(source) as stream:
        reader = Reader(stream, _name(source))
        header, report = reader.header, reader.report
        payload = chunks = codes = deepest = 0
        for item in reader.items():
            if isinstance(item, Missing):
                continue
            chunks, payload = chunks + 1, payload + len(item.payload)
            codes += item.depth.stages * item.depth.frames + item.depth.extra
            deepest = max(deepest, item.depth.layers)
    report.chunks = chunks
    size = reader.at + chunks * SIZE + payload + END_SIZE * report.complete
    lines = [
        f"{_name(source)}: version {VERSION}, {_channels(header.channels)}, "
        f"{header.output_rate} Hz (network {header.rate} Hz)",
        f"  codes: {len(header.books)} stages of {'/'.join(map(str, sorted(set(header.books))))}, "
        f"{header.rate / header.hop:g} frames/s, "
        + ("packed" if header.tables is None else f"entropy-coded, tables {header.tables.hex()}"),
        f"  weights {header.model.hex()}, level {header.level_db} dBFS, "
        f"chunks of {header.chunk_samples / header.rate:g} s",
    ]
    if report.samples:
        seconds = report.samples / header.output_rate
        frames = header.frames(report.samples) * header.channels
        lines.insert(
            1,
            f"  length: {seconds:.3f} s, {report.samples} samples; "
            f"{actual_kbps(size, seconds):.3f} kbit/s, of it codes "
            f"{actual_kbps(payload, seconds):.3f}; {codes / frames:.2f} stages a frame",
        )
    else:
        lines.insert(1, "  length: not told, neither by the header nor by an end record")
    if not report.sound:
        lines.append(f"  DAMAGED: {report.words()}")
    return lines, report.sound


@dataclass(frozen=True)
class Trained:
    """Frequency tables, and what they save."""

    tables: Tables
    line: str


def train_tables_of(
    coder: Coder, recordings: Iterable[tuple[str, Waveform, int]], classes: int
) -> Trained:
    """Count the codes of recordings; every fifth is kept apart to see what the tables save.

    Raises DataError: fewer than five recordings.
    """
    network = coder.network
    codes = []
    for _, wave, rate in recordings:
        codes += [coder.codes_in(coder.file_of(row[None], rate)) for row in wave]
    if len(codes) < 5:
        raise DataError(f"{len(codes)} recordings: wanted five or more, one of them to test with")
    tables = train_tables(
        [part for number, part in enumerate(codes) if number % 5], network.books, classes=classes
    )
    test = codes[::5]
    stages = len(network.books)
    bits = sum(tables.costs(each, Depth(stages, 0, each.shape[1])).sum() for each in test)
    nominal = sum(each.shape[1] for each in test) * sum((n - 1).bit_length() for n in network.books)
    frames = sum(each.shape[1] for each in codes)
    return Trained(
        tables,
        f"{frames} frames; those kept apart take {100 * bits / nominal:.1f} % of their packed size",
    )


@contextmanager
def reading(source: Path) -> Iterator[BinaryIO]:
    """Open a file, or standard input. Raises DataError: it cannot be opened."""
    if source == PIPE:
        yield sys.stdin.buffer
        return
    try:
        stream = source.open("rb")
    except OSError as error:
        raise DataError(f"{source}: cannot be opened ({error.strerror}); check the path") from error
    with stream:
        yield stream


def _done(line: str, report: Report) -> Done:
    return Done(line if report.sound else f"{line}; DAMAGED: {report.words()}", report.sound)


def _put(sink: WavOutput | Sink, block: Waveform) -> int:
    sink.write(block)
    return block.shape[1]


def _name(path: Path) -> str:
    return "standard input or output" if path == PIPE else str(path)


def _channels(count: int) -> str:
    return "1 channel" if count == 1 else f"{count} channels"
