"""How often one of several outweighs all others, where the mean of one does not exist.

The lightest law without a mean is Pareto's with exponent 1 (the inverse of a uniform number). A
batch whose largest item outweighs the rest more often than that is no sample for a mean: a larger
batch would not calm it.
"""

import math
from functools import cache

EULER = 0.5772156649015329
CELLS = 2000


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
