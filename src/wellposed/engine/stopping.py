"""Asking a run to stop: the step in hand is finished and a checkpoint written first."""

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import FrameType
from typing import Any

ONE_REQUEST_S = 1.0
"""Signals so close together are one request: torchrun passes on the Ctrl-C that the terminal has
sent to its processes already."""


class StopRequest:
    """Whether somebody asked, and by which signal."""

    number: int = 0

    def __bool__(self) -> bool:
        """Return True once a signal has come."""
        return bool(self.number)

    @property
    def name(self) -> str:
        """Name of the signal; empty if none came to this process."""
        return signal.Signals(self.number).name if self.number else ""

    def leave(self) -> None:
        """Leave as the signal would have, now that all is saved: scripts must see no success.

        Raises KeyboardInterrupt for SIGINT, SystemExit(143) for SIGTERM (128 + its number, as
        shells count); does nothing if nobody asked.
        """
        if self.number == signal.SIGINT:
            raise KeyboardInterrupt
        if self.number:
            raise SystemExit(128 + self.number)


@contextmanager
def stop_on_signal() -> Iterator[StopRequest]:
    """Turn the first SIGINT or SIGTERM into a request; a later one acts as usual.

    Where one such block is inside another, a signal asks both, and what the outer one was asked
    before the inner began holds for it too: no signal is lost between two runs of one process.
    """
    usual = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    outer = next((each for each in usual.values() if isinstance(each, _Noting)), None)
    noting = _Noting(StopRequest(), usual, outer)
    if outer is not None:
        noting.request.number = outer.request.number
    for number in usual:
        signal.signal(number, noting)
    try:
        yield noting.request
    finally:
        for number, handler in usual.items():
            signal.signal(number, handler)


@dataclass
class _Noting:
    """A handler that notes a signal in its request, and in that of the block around it."""

    request: StopRequest
    usual: dict[signal.Signals, Any]
    outer: "_Noting | None"
    first: float = field(default_factory=time.monotonic)

    def __call__(self, number: int, frame: FrameType | None) -> None:
        """Note the first signal; act as usual on one that comes a while later."""
        if not self.request:
            self._note(number)
        elif time.monotonic() - self.first > ONE_REQUEST_S:
            signal.signal(number, self.usual[signal.Signals(number)])
            signal.raise_signal(number)

    def _note(self, number: int) -> None:
        self.request.number, self.first = number, time.monotonic()
        if self.outer is not None and not self.outer.request:
            self.outer._note(number)
