"""Look at every file of a corpus before anything is trained on it.

Errors make training or its scores wrong: files that cannot be read, broken or absent samples,
and voices, noises or recordings that are in two splits. Warnings are worth a look; notes are
not wrong. The rules are in problems.py, their measured thresholds in docs/data.md.
"""

import json as json_format
import math
import sys
import time
from collections.abc import Collection, Iterator, Sequence
from dataclasses import asdict, dataclass
from hashlib import blake2b
from pathlib import Path

from wellposed.data.census_text import to_text
from wellposed.data.corpus import list_entries
from wellposed.data.layout import Entry, split_by_hash
from wellposed.data.measure import Facts, measure
from wellposed.data.problems import (
    Problem,
    is_audio,
    of_file,
    of_groups,
    of_listing,
    of_recordings,
    of_samples,
)
from wellposed.errors import DataError

_PROGRESS_S = 10.0


@dataclass(frozen=True)
class Census:
    """All files and what was found."""

    root: Path
    entries: tuple[Entry, ...]
    facts: tuple[Facts, ...]
    """one for each entry"""
    problems: tuple[Problem, ...]
    took_s: float

    @property
    def errors(self) -> tuple[Problem, ...]:
        """The problems that must be mended."""
        return tuple(problem for problem in self.problems if problem.level == "error")

    def to_json(self) -> str:
        """Everything, as one JSON object; infinite levels are null."""
        files = [
            {
                "path": entry.relative,
                "kind": entry.kind,
                "split": entry.split,
                "speaker": entry.speaker,
                "noise_source": entry.source,
                **asdict(facts),
                "level_db": facts.level_db if math.isfinite(facts.level_db) else None,
                "seconds": facts.seconds,
            }
            for entry, facts in zip(self.entries, self.facts, strict=True)
        ]
        problems = [asdict(problem) for problem in self.problems]
        whole = {"root": str(self.root), "took_s": self.took_s, "files": files}
        return json_format.dumps({**whole, "problems": problems}, indent=1, allow_nan=False)


def census(path: Path | str) -> Census:
    """Decode every file of a folder or manifest once and compare all with all.

    Takes about 2 ms for a second of audio, and 20 kB a second of the longest file. Progress goes
    to stderr. Raises DataError only when there is no corpus at all.
    """
    return _look_at(Path(path), None, 0, time.monotonic())


def sampled_census(path: Path | str, used: Collection[Path] | None, count: int) -> Census:
    """The census of `count` files, drawn by their names from those that are `used` (None: all).

    What the listing alone tells (speakers and noise sources in two splits) is told of all of
    them; the rest of the files that were decoded, which are the `facts`. Raises DataError as
    `census`.
    """
    return _look_at(Path(path), used, count, time.monotonic())


def _look_at(path: Path, used: Collection[Path] | None, count: int, start: float) -> Census:
    """Look at all files, or at so many if `count` is above 0."""
    root, listed, notes = list_entries(path)
    problems = [Problem("note", "corpus", note) for note in notes]
    if not all(entry.split for entry in listed):
        try:
            listed = split_by_hash(listed, root)
        except DataError as error:
            problems.append(Problem("warning", "corpus", str(error)))
    problems += of_listing(root, listed)
    whole = [entry for entry in listed if is_audio(entry)]
    if used is not None:
        whole = [entry for entry in whole if root / entry.relative in used]
    entries = _drawn(whole, count) if count else whole
    measured = [measure(root / entry.relative) for entry in _with_progress(entries)]
    facts = [one for one, _ in measured]
    for entry, one in zip(entries, facts, strict=True):
        problems += of_file(entry, one)
    problems += of_groups(whole)
    problems += of_samples(entries, facts)
    problems += of_recordings(entries, facts, [heard for _, heard in measured])
    order = {"error": 0, "warning": 1, "note": 2}
    problems.sort(key=lambda problem: (order[problem.level], problem.code))
    took_s = time.monotonic() - start
    return Census(root, tuple(entries), tuple(facts), tuple(problems), took_s)


def _drawn(entries: Sequence[Entry], count: int) -> list[Entry]:
    """So many of them, the same ones whenever the names are the same; in the order of the list."""
    kept = sorted(entries, key=lambda entry: blake2b(entry.relative.encode()).digest())[:count]
    names = {entry.relative for entry in kept}
    return [entry for entry in entries if entry.relative in names]


def run_census(path: Path, json: bool = False) -> int:
    """Print the census of a folder or manifest; the exit status: 1 when there are errors."""
    result = census(path)
    if json:
        print(result.to_json())
    else:
        print(f"{result.root}: {len(result.entries)} audio files in {result.took_s:.0f} s\n")
        print(to_text(result.entries, result.facts, result.problems))
    return 1 if result.errors else 0


def _with_progress(entries: Sequence[Entry]) -> Iterator[Entry]:
    """Say on stderr how far it is: in place on a terminal, else a line now and then."""
    live = sys.stderr.isatty()
    start = shown = time.monotonic()
    for done, entry in enumerate(entries):
        now = time.monotonic()
        if done and now - shown > (0.2 if live else _PROGRESS_S):
            left = (now - start) / done * (len(entries) - done)
            line = f"{done} of {len(entries)} files, {left:.0f} s left"
            print(f"\r{line}   " if live else line, end="" if live else "\n", file=sys.stderr)
            sys.stderr.flush()
            shown = now
        yield entry
    if live:
        print("\r" + " " * 60 + "\r", end="", file=sys.stderr)
