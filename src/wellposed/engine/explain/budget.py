"""The time that all replays may take together, and what a replay asks of it as it goes on."""

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from wellposed.engine.telling.figures import clock

EVERY_S = 10.0
"""Between two lines of progress: a screen of 40 lines holds the last minutes of a long replay."""
UNITS = {"s": 1.0, "min": 60.0, "h": 3600.0}

UnderWay = Mapping[str, tuple[int, int]]
"""Replays by key: the step each has reached, and the last one."""


class OutOfTimeError(Exception):
    """The budget ended before a replay did."""


@dataclass(frozen=True)
class Budget:
    """An end on a clock that other processes read, too."""

    end: float
    """Seconds since 1970, as `now` counts them."""
    now: Callable[[], float] = time.time

    @classmethod
    def of(cls, seconds: float) -> "Budget":
        """So many seconds from now on."""
        return cls(time.time() + seconds)

    @property
    def left_s(self) -> float:
        """What is left, at least 0."""
        return max(0.0, self.end - self.now())

    @property
    def over(self) -> bool:
        """Whether nothing is left."""
        return self.now() >= self.end


ENDLESS = Budget(math.inf)


@dataclass(frozen=True)
class Watch:
    """What a replay asks before each step, and before each scene of a validation."""

    budget: Budget = ENDLESS
    tell: Callable[[str, int, int], None] = lambda key, step, last: None
    """Gets the replay's key, its step, and its last one."""

    def look(self, key: str, step: int, last: int) -> None:
        """Tell where a replay is. Raises OutOfTimeError: it has to end here."""
        self.tell(key, step, last)
        if self.budget.over:
            raise OutOfTimeError(f"{key}: the budget ended at step {step} of {last}")


class Progress:
    """Tells where replays are, now and then."""

    def __init__(self, say: Callable[[str], None], budget: Budget) -> None:
        """Say nothing before `EVERY_S` have passed."""
        self._say, self._budget, self._told = say, budget, budget.now()

    def __call__(self, under_way: UnderWay) -> None:
        """Say it, unless it was said a short while ago."""
        now = self._budget.now()
        if not under_way or now - self._told < EVERY_S:
            return
        self._told = now
        where = ", ".join(f"{key} at step {at} of {last}" for key, (at, last) in under_way.items())
        self._say(f"{where}; {clock(self._budget.left_s)} of the budget left")


def as_budget(seconds: float) -> str:
    """A time as `--budget` takes it, rounded up to two digits of its unit or fewer."""
    for unit, size in UNITS.items():
        if seconds <= 120 * size or unit == "h":
            return f"{max(1, math.ceil(seconds / size))}{unit}"
    raise AssertionError("unreachable: hours have no end")
