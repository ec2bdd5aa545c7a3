"""Values that are made again when their files have changed, but never so often that it costs.

A page takes seconds of a core that may be training. So a value is made again after twenty times
as long as it took at the earliest: whoever looks takes a twentieth of one core at most.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

SHARE = 0.05
"""Largest share of one core that keeping a value fresh takes."""
T = TypeVar("T")
State = tuple[tuple[str, int, int], ...]


@dataclass
class _Value(Generic[T]):
    value: T
    state: State
    ready: float
    """When it may be made again, by the clock of `time.monotonic`."""


class Kept(Generic[T]):
    """A value for each key; safe among threads, which wait for each other."""

    def __init__(self, make: Callable[[Path], T]) -> None:
        self._make = make
        self._values: dict[Path, _Value[T]] = {}
        self._lock = threading.Lock()

    def of(self, path: Path) -> tuple[T, State]:
        """The value of a run folder, and the state of the files that it was made of."""
        with self._lock:
            known, now = self._values.get(path), state_of(path)
            if known is None or (known.state != now and time.monotonic() >= known.ready):
                began = time.monotonic()
                value = self._make(path)
                ended = time.monotonic()
                known = _Value(value, now, ended + (ended - began) / SHARE)
                self._values[path] = known
            return known.value, known.state

    def forget(self, path: Path) -> None:
        """Make it anew when next asked for, whatever it costs."""
        with self._lock:
            self._values.pop(path, None)


def state_of(run: Path) -> State:
    """Names, sizes and times of what a page of the run is made of."""
    files = [
        *(run / name for name in ("recipe.yaml", "history.jsonl", "findings.jsonl", "audit.json")),
        *sorted((run / "explain").glob("*.json")),
        *sorted((run / "examples").glob("*/*")),
        run / "evaluation" / "rates.json",
    ]
    state = []
    for file in files:
        try:
            about = file.stat()
        except OSError:  # not there (yet), or gone meanwhile
            continue
        state.append((str(file.relative_to(run)), about.st_size, about.st_mtime_ns))
    return tuple(state)
