"""What a planned run costs: time, memory, disk and money, from work that was measured.

Time is a sum over kinds of work, each measured a few times and done many times. The interval is
where the total falls in 95 of 100 cases if the run is made of such work and the machine stays as
it was: Student's prediction interval of each kind, their squares added. What no measurement of a
minute can see is told in words: `ASSUMED`.
"""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, stdev
from typing import Any

from wellposed.guard.chance import student_quantile

ASSUMED = (
    "the machine stays as busy as while this was measured",
    "later steps cost what the first ones did (a curriculum is measured in its first phase)",
    "nothing stops the run early (patience, a broken promise, a signal)",
)
"""What the intervals do not hold."""

MISSED = 0.05
"""Share of runs that the interval of the time misses, both sides together."""


@dataclass(frozen=True)
class Estimate:
    """A value and the ends of its interval."""

    value: float
    low: float
    high: float

    def times(self, factor: float) -> "Estimate":
        """The estimate in another unit."""
        return Estimate(self.value * factor, self.low * factor, self.high * factor)


@dataclass(frozen=True)
class Work:
    """One kind of work: what it took each time it was measured, and how often the run does it."""

    name: str
    seconds: tuple[float, ...]
    count: int

    @property
    def total(self) -> float:
        """Expected time in the whole run [s]."""
        return self.count * fmean(self.seconds)

    @property
    def half(self) -> float:
        """Half of the prediction interval of the total [s]; 0 where it was measured once.

        Both count: that the mean is known from n values only, and that `count` more are drawn.
        """
        n = len(self.seconds)
        if n < 2 or not self.count:
            return 0.0
        spread = stdev(self.seconds) * self.count * math.sqrt(1 / n + 1 / self.count)
        return student_quantile(1 - MISSED / 2, n - 1) * spread


@dataclass(frozen=True)
class Budget:
    """What a run will take."""

    subject: str
    """The run in a few words."""
    work: tuple[Work, ...]
    memory: Estimate
    """Largest resident memory of the process so far, a lower bound; `high`: and a full cache of
    decoded sound [bytes]."""
    device_memory: float
    """Largest memory reserved on the CUDA device [bytes]; 0 on a CPU."""
    disk: Estimate
    """Size of the run folder at the end; `high`: while a checkpoint is being written [bytes]."""
    price: float | None = None
    """Money per hour."""

    @property
    def time(self) -> Estimate:
        """Time of the whole run [s]."""
        total = sum(each.total for each in self.work)
        half = math.hypot(*(each.half for each in self.work))
        # No run is shorter than half of its expected time by chance alone: the spread is then
        # unknown rather than large, and a negative end would say nothing.
        return Estimate(total, max(total - half, 0.0), total + half)

    @property
    def money(self) -> Estimate | None:
        """Cost of the time at the price, if there is one."""
        return None if self.price is None else self.time.times(self.price / 3600)

    def text(self) -> str:
        """A few lines for people."""
        time = self.time
        lines = [
            self.subject,
            f"  time    {_duration(time.value)} ({_duration(time.low)} to {_duration(time.high)})",
            f"  memory  at least {_size(self.memory.value)}"
            f"{_beyond(self.memory, 'when its cache is full')}",
            f"  disk    {_size(self.disk.value)}"
            f"{_beyond(self.disk, 'while a checkpoint is written')}",
        ]
        if self.device_memory:
            lines.insert(3, f"  device  {_size(self.device_memory)} of CUDA memory")
        if (money := self.money) is not None:
            lines.append(
                f"  money   {money.value:.2f} ({money.low:.2f} to {money.high:.2f}) "
                f"at {self.price:g} an hour"
            )
        parts = ", ".join(
            f"{each.name} {each.total / time.value:.1%}" for each in self.work if each.total > 0
        )
        lines += [f"  of the time: {parts}", *(f"  assumes: {each}" for each in ASSUMED)]
        return "\n".join(lines)

    def short(self) -> str:
        """One line: time, memory, disk."""
        time = self.time
        return (
            f"the plan: {_duration(time.value)} ({_duration(time.low)} to {_duration(time.high)}), "
            f"{_size(self.memory.high)} of memory, {_size(self.disk.high)} on disk"
        )

    def record(self) -> dict[str, Any]:
        """Everything as JSON values: seconds, bytes, money."""
        money = self.money
        return {
            "subject": self.subject,
            "time_s": _ends(self.time),
            "memory_bytes": _ends(self.memory),
            "device_memory_bytes": self.device_memory,
            "disk_bytes": _ends(self.disk),
            "price_per_hour": self.price,
            "money": None if money is None else _ends(money),
            "work": {
                each.name: {
                    "count": each.count,
                    "seconds_each": [round(value, 6) for value in each.seconds],
                    "total_s": each.total,
                    "half_width_s": each.half,
                }
                for each in self.work
            },
            "assumes": list(ASSUMED),
        }

    def to_json(self) -> str:
        """The record as one strict JSON object."""
        return json.dumps(self.record(), allow_nan=False)


def often(steps: int, every: int) -> int:
    """How often something happens that is due every so many steps and at the last one."""
    return -(-steps // every)


def split_by(values: Sequence[float], chosen: Sequence[bool]) -> tuple[list[float], list[float]]:
    """Values that are chosen, and the others."""
    pairs = list(zip(values, chosen, strict=True))
    return [v for v, yes in pairs if yes], [v for v, yes in pairs if not yes]


def _ends(estimate: Estimate) -> dict[str, float]:
    return {"value": estimate.value, "low": estimate.low, "high": estimate.high}


def _beyond(estimate: Estimate, when: str) -> str:
    return f" ({_size(estimate.high)} {when})" if estimate.high > estimate.value else ""


def _size(size: float) -> str:
    for unit, scale in (("GB", 1e9), ("MB", 1e6)):
        if size >= scale:
            return f"{size / scale:.3g} {unit}"
    return f"{size / 1e3:.3g} kB"


def _duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    minutes = seconds / 60
    if minutes < 90:
        return f"{minutes:.1f} min"
    return f"{minutes // 60:.0f} h {minutes % 60:02.0f} min"
