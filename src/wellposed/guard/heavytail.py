"""Laws whose tail falls as a power: how far they reach, and how often one value outweighs the rest.

The lightest law without a mean is Pareto's with exponent 1 (the inverse of a uniform number). A
batch whose largest item outweighs the rest more often than that is no sample for a mean: a larger
batch would not calm it.
"""

import math
from collections.abc import Sequence
from functools import cache
from statistics import median

from .chance import extreme_threshold

EULER = 0.5772156649015329
CELLS = 2000


def reach(past: Sequence[float], budget: float, looks: int) -> float:
    """Value that `looks` further draws exceed `budget` times in expectation.

    Trimmed peaks over threshold of the logarithm of the distance above the median, which has
    exponential excesses wherever the tail falls as a power. Infinite below 200 values.
    """
    kept = [each for each in past if math.isfinite(each)]
    if not kept:
        return math.inf
    middle = median(kept)
    logs = [math.log(each - middle) if each > middle else -math.inf for each in kept]
    threshold = extreme_threshold(logs, budget, looks)
    # Beyond the range of a float no value can go.
    return middle + math.exp(threshold) if threshold < 709 else math.inf


def early_reach(past: Sequence[float], budget: float, looks: int) -> float:
    """The same from 32 values above 0, if the upper half of their law is one power.

    The logarithms of values over their median are then exponential, and for the sum S of k of them
    a further one exceeds c S with probability (1 + c)^-k: what is not known of the power is in it.
    """
    kept = [each for each in past if 0 < each < math.inf]
    if len(kept) < 32:
        return math.inf
    middle = median(kept)
    logs = [math.log(each / middle) for each in kept if each > middle]
    if not logs:
        return middle
    # Half of all draws lie above the median.
    chance = min(1.0, 2 * budget / looks)
    threshold = (chance ** (-1 / len(logs)) - 1) * sum(logs)
    return middle * math.exp(threshold) if threshold < 700 else math.inf


@cache
def outweighed(items: int) -> float:
    """Probability that the largest of `items` draws exceeds the sum of all others; 1 for 1 or 2.

    For X = 1/U with uniform U: P(X_1 > S) = E[1/S] with S the sum of the others, at least 1,
    and E[1/S] is the integral over t of E[exp(-t X)]^(items - 1), where E[exp(-t X)] = E_2(t).
    """
    if items < 3:
        return 1.0
    low, high = math.log(1e-9), math.log(1e3)
    width = (high - low) / CELLS
    middles = (math.exp(low + (cell + 0.5) * width) for cell in range(CELLS))
    return items * width * sum(t * second_integral(t) ** (items - 1) for t in middles)


def wager(over_others: float, items: int) -> float:
    """What a fair bet against items of the lightest law without a mean makes of one unit.

    `over_others` is the largest item over the sum of the others; under that law it exceeds x >= 1
    with probability p / x, where p is `outweighed(items)`. The bet pays 1/2 up to 1 and
    b sqrt(x) above; the mean of sqrt(x) is 2 there, so b = (1 + p) / (4 p) makes it fair.
    Under that law, and all lighter ones, a fortune from many such bets ever exceeds f with
    probability 1 / f at most (Ville's inequality), however often it is looked at.
    """
    if over_others <= 1:
        return 0.5
    p = outweighed(items)
    return (1 + p) / (4 * p) * math.sqrt(over_others)


def second_integral(t: float) -> float:
    """Exponential integral E_2 at t > 0."""
    return math.exp(-t) - t * _first_integral(t)


def _first_integral(t: float) -> float:
    """E_1: its series up to 2, then its continued fraction, from the inside."""
    if t <= 2:
        term, total = 1.0, -EULER - math.log(t)
        for k in range(1, 40):
            term *= -t / k
            total -= term / k
        return total
    fraction = t
    for k in range(60, 0, -1):
        fraction = t + k / (1 + k / fraction)
    return math.exp(-t) / fraction
