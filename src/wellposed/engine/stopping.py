"""Asking a run to stop: the step in hand is finished and a checkpoint written first."""

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

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
    """Turn the first SIGINT or SIGTERM into a request; a later one acts as usual."""
    request = StopRequest()
    usual = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    first = 0.0

    def note(number: int, frame: FrameType | None) -> None:
        nonlocal first
        now = time.monotonic()
        if not request:
            request.number, first = number, now
        elif now - first > ONE_REQUEST_S:
            signal.signal(number, usual[signal.Signals(number)])
            signal.raise_signal(number)

    for number in usual:
        signal.signal(number, note)
    try:
        yield request
    finally:
        for number, handler in usual.items():
            signal.signal(number, handler)
