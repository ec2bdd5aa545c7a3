"""What a short, noisy series can say: slope, rank agreement, noise.

Tails and exact chances are those of `wellposed.guard.chance`.
"""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from wellposed.guard.chance import kendall, student_tail

_LONGEST = 64
"""Values up to which the exact distribution of Kendall's trend is summed (n^3 / 6 additions)."""


@dataclass(frozen=True)
class Line:
    """A straight line through a series, and how likely chance alone gives one as steep."""

    slope: float
    start: float
    """Its value at the first place."""
    end: float
    p: float
    """Two-sided."""


def line(x: Sequence[float], y: Sequence[float]) -> Line:
    """Least squares. Residuals that resemble their neighbours count as fewer values.

    n values with lag-1 correlation r say as much as n (1 - r) / (1 + r) independent ones.
    Below 3 values, or without spread in x, the slope is 0 and p is 1.
    """
    n = len(x)
    middle, mean = statistics.fmean(x), statistics.fmean(y)
    spread = sum((each - middle) ** 2 for each in x)
    if n < 3 or spread == 0:
        return Line(0.0, y[0], y[-1], 1.0)
    slope = sum((a - middle) * (b - mean) for a, b in zip(x, y, strict=True)) / spread
    left = [b - mean - slope * (a - middle) for a, b in zip(x, y, strict=True)]
    start, end = mean + slope * (x[0] - middle), mean + slope * (x[-1] - middle)
    squares = sum(each**2 for each in left)
    if squares <= 1e-24 * max(1.0, mean**2) * n:
        return Line(slope, start, end, 0.0 if slope else 1.0)
    freedom = max(1.0, _effective(left) - 2)
    error = math.sqrt(squares / (n - 2) / spread * (n - 2) / freedom)
    return Line(slope, start, end, 2 * student_tail(abs(slope) / error, max(1, int(freedom))))


def trend(values: Sequence[float]) -> tuple[int, float]:
    """Sign of Kendall's trend and its exact chance, two-sided; long series in 64 block means.

    The means also take out most of what neighbours have in common.
    """
    score, chance = kendall(blocks(values, _LONGEST))
    return (score > 0) - (score < 0), chance


def agreement(first: Sequence[float], second: Sequence[float]) -> tuple[int, float]:
    """Sign and chance, two-sided, of the rank agreement of two series; ties count against it."""
    pairs = list(zip(first, second, strict=True))
    return trend([b for _, b in sorted(pairs, key=lambda pair: (pair[0], -pair[1]))])


def blocks(values: Sequence[float], most: int) -> list[float]:
    """Means of at most `most` blocks of neighbours, nearly equal in length."""
    n = min(len(values), most)
    cuts = [round(i * len(values) / n) for i in range(n + 1)] if n else []
    return [statistics.fmean(values[a:b]) for a, b in pairwise(cuts)]


def noise(y: Sequence[float]) -> float:
    """Standard deviation of what is not trend, from the median second difference.

    A straight line has none, a curve hardly any, and a few jumps do not count.
    """
    bends = [abs(a - 2 * b + c) for a, b, c in zip(y, y[1:], y[2:], strict=False)]
    # Var(a - 2b + c) = 6 var; the median of |normal| is 0.6745 sd.
    return statistics.median(bends) / (0.67449 * math.sqrt(6)) if bends else math.nan


def neumann(y: Sequence[float]) -> float:
    """Von Neumann's ratio: mean squared successive difference over variance; 2 without a trend."""
    mean = statistics.fmean(y)
    variance = sum((each - mean) ** 2 for each in y) / len(y)
    steps = sum((b - a) ** 2 for a, b in pairwise(y)) / (len(y) - 1)
    return steps / variance if variance else 0.0


def _effective(left: Sequence[float]) -> float:
    squares = sum(each**2 for each in left)
    r = sum(a * b for a, b in pairwise(left)) / squares
    r = min(max(r, 0.0), 0.99)
    return len(left) * (1 - r) / (1 + r)
