"""What chance alone would do: tails, intervals and the rule for extremes. Standard library only.

Everything here is exact or says what it assumes; checks state the false-alarm budget they spend.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import accumulate, pairwise
from statistics import NormalDist, fmean, stdev


@dataclass(frozen=True)
class Interval:
    """A mean and the two ends of its confidence interval."""

    mean: float
    low: float
    high: float
    n: int


def mean_interval(values: Sequence[float], level: float) -> Interval:
    """Student's interval of a mean that misses it with probability `level`, both sides together.

    Assumes that the mean of n values is nearly normal. One value has no spread: infinite ends.
    """
    n, mean = len(values), fmean(values)
    if n < 2:
        return Interval(mean, -math.inf, math.inf, n)
    half = student_quantile(1 - level / 2, n - 1) * stdev(values) / math.sqrt(n)
    return Interval(mean, mean - half, mean + half, n)


def student_quantile(probability: float, freedom: int) -> float:
    """Quantile of Student's t, by bisection on the exact distribution."""
    if not 0.5 <= probability < 1:
        raise ValueError(f"student_quantile: probability {probability}; wanted [0.5, 1).")
    low, high = 0.0, 1.0
    while student_tail(high, freedom) > 1 - probability and high < 1e12:
        high *= 2
    for _ in range(200):
        middle = (low + high) / 2
        if student_tail(middle, freedom) > 1 - probability:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def student_tail(t: float, freedom: int) -> float:
    """Probability that Student's t exceeds `t` >= 0."""
    return 0.5 * incomplete_beta(freedom / (freedom + t * t), freedom / 2, 0.5)


def binomial_tail(hits: int, trials: int, probability: float) -> float:
    """Probability of at least `hits` in `trials`."""
    if hits <= 0:
        return 1.0
    if probability <= 0:
        return 0.0
    return incomplete_beta(probability, hits, trials - hits + 1) if hits <= trials else 0.0


def sign_test(positive: int, negative: int) -> float:
    """Two-sided probability of so uneven a split when both signs are alike; ties left out."""
    n = positive + negative
    return min(1.0, 2 * binomial_tail(max(positive, negative), n, 0.5)) if n else 1.0


def kendall(values: Sequence[float]) -> tuple[int, float]:
    """Kendall's trend of a series: rising minus falling pairs, and its exact chance of both signs.

    Assumes exchangeable values under the null hypothesis. Ties count for neither side, so that
    the chance is then an upper bound. Takes about n^3 / 6 additions the first time.
    """
    n = len(values)
    pairs = [(values[i], values[j]) for j in range(n) for i in range(j)]
    score = sum((later > earlier) - (later < earlier) for earlier, later in pairs)
    most = n * (n - 1) // 2
    # Rising minus falling is `most` minus twice the inversions of a random order.
    few = (most - abs(score)) // 2
    tail = max(sum(_inversions(n)[: few + 1]), 0.0)
    return score, min(1.0, 2 * tail)


@cache
def _inversions(n: int) -> tuple[float, ...]:
    """Chance of 0, 1, 2, ... inversions in a random order of n."""
    counts = [1.0]
    for size in range(2, n + 1):
        sums = [0.0, *accumulate(counts)]
        last = len(sums) - 1
        longest = len(counts) + size - 1
        counts = [(sums[min(k + 1, last)] - sums[max(k + 1 - size, 0)]) / size
                  for k in range(longest)]  # fmt: skip
    return tuple(counts)


def turns(values: Sequence[float]) -> list[float]:
    """The size of a series' random moves, one estimate at each turn.

    At a turn the smaller of its two moves counts, so that one large approach is no wandering; of
    two independent normal moves the square of the smaller one is 1 - 2 / pi of theirs.
    """
    steps = [later - earlier for earlier, later in pairwise(values)]
    part = math.sqrt(1 - 2 / math.pi)
    return [min(abs(a), abs(b)) / part for a, b in pairwise(steps) if a * b < 0]


def expected_best(draws: int) -> float:
    """Expected largest of so many standard normal values: what choosing the best of them gains."""
    cells = 2000
    middles = [(cell + 0.5) / cells for cell in range(cells)]
    # The maximum's distribution is Phi^draws: its quantiles are those of u^(1/draws).
    return fmean(normal_quantile(middle ** (1 / draws)) for middle in middles)


def normal_quantile(probability: float) -> float:
    """Quantile of the standard normal distribution."""
    return NormalDist().inv_cdf(probability)


def incomplete_beta(x: float, a: float, b: float) -> float:
    """Regularised incomplete beta function, by its continued fraction (Lentz's method)."""
    if x <= 0 or x >= 1:
        return float(x >= 1)
    if x > (a + 1) / (a + b + 2):
        return 1 - incomplete_beta(1 - x, b, a)
    front = math.exp(
        math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x)
    )
    tiny = 1e-300
    c, d = 1.0, 1 / _away(1 - (a + b) * x / (a + 1), tiny)
    fraction = d
    for m in range(1, 10_000):
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        d = 1 / _away(1 + even * d, tiny)
        c = _away(1 + even / c, tiny)
        fraction *= c * d
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        d = 1 / _away(1 + odd * d, tiny)
        c = _away(1 + odd / c, tiny)
        fraction *= c * d
        if abs(c * d - 1) < 1e-15:
            break
    return front * fraction / a


def extreme_threshold(past: Sequence[float], budget: float, looks: int) -> float:
    """Value that `looks` further draws exceed `budget` times in expectation, by excesses.

    Peaks over threshold with an exponential tail: excesses over the 95 % quantile, the
    largest tenth of them left out (they may be what is looked for; at least 5 stay),
    mean excess times 1.25, which is what leaving them out takes away. Infinite below 200 values.
    """
    if len(past) < 200:
        return math.inf
    ordered = sorted(past)
    quantile = ordered[int(0.95 * len(ordered))]
    excesses = [value - quantile for value in ordered if value > quantile]
    kept = excesses[: max(5, int(0.9 * len(excesses)))]
    if not kept:
        return quantile
    return quantile + 1.25 * fmean(kept) * math.log(max(0.05 * looks / budget, 1.0))


def _away(value: float, tiny: float) -> float:
    return value if abs(value) > tiny else tiny
