"""How good an enhancer is: scores of every file, means with intervals, the gain over doing nothing.

Promise: every pair that goes in has a line in the table; the gain over the noisy input is a paired
difference on the same files; the numbers do not depend on the number of worker processes.
"""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence, Sized
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from wellposed.engine.telling.figures import counted
from wellposed.errors import DataError
from wellposed.metrics.catalogue import metric, require_packages, speech_names
from wellposed.metrics.parallel import Job, score_all
from wellposed.metrics.table import (
    Row,
    Summary,
    compare,
    failures,
    label,
    spread,
    summarise,
    text_table,
    write_csv,
    write_json,
)
from wellposed.systems.enhance.pairs import Pair, Waveform

Enhancer = Callable[[Waveform, int], Waveform]
"""(channels, time) float32 and the rate [Hz] to a waveform of the same shape."""
Progress = Callable[[int, int | None, str], None]
"""Called after each file: how many are done, of how many (None: not known), its name."""

SERIAL_BELOW = 40
"""Files up to which no worker is started by default. Measured: the scores of a 4 s file take 0.1 to
0.2 s, the start of a worker process 1 s."""


@dataclass(frozen=True)
class Evaluation:
    """The scores of one enhancer on a set of pairs; of the noisy input alone without enhancer."""

    files: tuple[str, ...]
    rows: tuple[Row, ...]
    """Scores of the estimates, or of the noisy files when there was no enhancer."""
    noisy_rows: tuple[Row, ...] | None
    """Scores of the unprocessed input; None when there was no enhancer."""
    seed: int
    """Of the bootstrap."""

    @cached_property
    def summary(self) -> dict[str, Summary]:
        """Means of the estimates with their intervals."""
        return summarise(self.rows, self.seed)

    @cached_property
    def noisy_summary(self) -> dict[str, Summary]:
        """Means of the unprocessed input; empty without enhancer."""
        return summarise(self.noisy_rows or (), self.seed)

    @cached_property
    def gain(self) -> dict[str, Summary]:
        """Mean of estimate minus noisy input, file by file; empty without enhancer."""
        if self.noisy_rows is None:
            return {}
        return compare(self.rows, self.noisy_rows, self.seed)

    def text(self) -> str:
        """Table for people: means, 95 % intervals, gains, and what was undefined and why."""
        subject = "noisy input" if self.noisy_rows is None else "estimate"
        lines = [f"{counted(len(self.files), 'file')}, {subject}: mean [95 % interval]"]
        lines.append(text_table(self.summary, failures(self.rows)))
        gain, before = self.gain, self.noisy_summary
        if gain:
            lines.append("gain over the noisy input, on the same files: mean [95 % interval]")
            width = max(len(label(name)) for name in gain)
            lines += [
                f"{label(name):<{width}}  {spread(entry)}  n={entry['n']}  "
                f"(noisy {spread(before[name])})"
                for name, entry in gain.items()
            ]
        return "\n".join(lines)

    def write(self, folder: Path | str) -> None:
        """Write scores.csv (a line per file), summary.json and summary.txt."""
        folder = Path(folder)
        noisy = {} if self.noisy_rows is None else {"noisy/": self.noisy_rows}
        write_csv(folder / "scores.csv", self.files, {"": self.rows, **noisy})
        content = {
            "files": len(self.files),
            "seed": self.seed,
            "subject": "noisy" if self.noisy_rows is None else "estimate",
            "metrics": self.summary,
            "noisy": self.noisy_summary,
            "gain": self.gain,
            "failures": failures(self.rows),
            "noisy_failures": failures(self.noisy_rows or ()),
        }
        write_json(folder / "summary.json", content)
        (folder / "summary.txt").write_text(self.text() + "\n", encoding="utf-8")


def evaluate(
    pairs: Iterable[Pair],
    enhancer: Enhancer | None,
    *,
    names: Sequence[str] | None = None,
    workers: int | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> Evaluation:
    """Score an enhancer on pairs; None scores the noisy input itself.

    `names` are metrics of the catalogue, by default those for speech at the rate of the first
    pair. The enhancer runs here, one file after the other; scores are computed in `workers`
    processes (0: here as well; None: one per CPU, or none for few files). Files of several
    channels get the mean over their channels.

    Raises DataError (no pair, an unreadable file, an enhancer that changes the shape),
    RecipeError (unknown metric), RunError (a package is not installed, a worker died).
    """
    if names is not None:
        require_packages(names)
    total = len(pairs) if isinstance(pairs, Sized) else None
    files: list[str] = []
    rows: list[Row] = []
    noisy_rows: list[Row] = []
    results = score_all(_jobs(pairs, enhancer, names, files), _worker_count(workers, total))
    for noisy_row in results:
        noisy_rows.append(noisy_row)
        if enhancer is not None:
            rows.append(next(results))
        if progress is not None:
            progress(len(noisy_rows), total, files[len(noisy_rows) - 1])
    if not files:
        raise DataError("evaluation: there is no pair to score; give at least one")
    if enhancer is None:
        return Evaluation(tuple(files), tuple(noisy_rows), None, seed)
    return Evaluation(tuple(files), tuple(rows), tuple(noisy_rows), seed)


def _jobs(
    pairs: Iterable[Pair], enhancer: Enhancer | None, names: Sequence[str] | None, files: list[str]
) -> Iterator[Job]:
    """For each pair the noisy input, then its estimate; appends the names to `files`."""
    for pair in pairs:
        if names is None:
            names = speech_names(pair.rate)
            require_packages(names)
        files.append(pair.name)
        plain = tuple(name for name in names if not metric(name).needs_noisy)
        yield Job(pair.name, pair.clean, pair.noisy, pair.noisy, pair.rate, plain)
        if enhancer is not None:
            estimate = _enhanced(enhancer, pair)
            yield Job(pair.name, pair.clean, estimate, pair.noisy, pair.rate, tuple(names))


def _enhanced(enhancer: Enhancer, pair: Pair) -> Waveform:
    # A copy: an enhancer that works in place must not change the input that is scored beside it.
    estimate = np.asarray(enhancer(pair.noisy.copy(), pair.rate))
    if estimate.shape != pair.noisy.shape:
        raise DataError(
            f"{pair.name}: the enhancer made {estimate.shape} of {pair.noisy.shape}; an estimate "
            "needs the channels and the length of its input"
        )
    return estimate


def _worker_count(workers: int | None, total: int | None) -> int:
    if workers is not None:
        return workers
    return 0 if total is not None and total <= SERIAL_BELOW else os.cpu_count() or 1
