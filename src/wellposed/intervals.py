"""How sure a mean is: bootstrap confidence intervals of a mean and of a paired difference.

Promise: the same values and the same generator state give the same interval; equal values give
an interval of width zero; where the values cannot support an interval, the note says so.
"""

from dataclasses import dataclass
from math import nan, sqrt

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtr, stdtrit

FEW = 5
"""Below five values the bootstrap interval is close to the range of the values, which holds the
mean of a symmetric distribution with 1 - 2^(1-n) at most: 88 % at n = 4."""
_AT_ONCE = 1_000_000
"""Draws held in memory at a time, 8 MB."""


@dataclass(frozen=True)
class Interval:
    """A mean and the ends of its confidence interval, in the unit of the values."""

    mean: float
    low: float
    high: float
    n: int
    note: str = ""
    """Why there is no interval, or why it is too narrow; "" when it is sound."""


def mean_interval(
    values: ArrayLike,
    generator: np.random.Generator,
    *,
    level: float = 0.95,
    resamples: int = 10_000,
) -> Interval:
    """Expanded percentile bootstrap interval of the mean of finite `values`, shape (n,).

    The percentile interval is too narrow by sqrt((n-1)/n) and ignores that the spread is
    itself estimated: simulated at n = 10, it holds 89 % of normal means instead of 95 %.
    Here the tail probability is Phi(-t sqrt(n/(n-1))), t the Student quantile: 94 % at n = 10,
    and the skew that the data show is kept (exponential data: 91 % at n = 10, 93 % at 40).
    One value gives NaN ends.

    Source: the expanded percentile interval of Hesterberg, "What teachers should know about
    the bootstrap", The American Statistician 69, 2015, arXiv:1411.5279.
    """
    data = np.asarray(values, np.float64)
    assert data.ndim == 1, f"(n,) is wanted, this is {data.shape}"
    assert np.isfinite(data).all(), "drop undefined scores first, and count them"
    n = data.size
    if n == 0:
        return Interval(nan, nan, nan, 0, "no value")
    # Relative to one of them, so that equal values have exactly their own mean.
    origin = data[0]
    data = data - origin
    mean = float(origin + data.mean())
    if n == 1:
        return Interval(mean, nan, nan, 1, "one value has no interval")
    t = stdtrit(n - 1, (1 + level) / 2)
    tail = float(ndtr(-t * sqrt(n / (n - 1))))
    means = _resampled_means(data, generator, resamples)
    low, high = origin + np.quantile(means, [tail, 1 - tail])
    note = f"too narrow: only {n} values" if n < FEW else ""
    return Interval(mean, float(low), float(high), n, note)


def paired_interval(
    first: ArrayLike,
    second: ArrayLike,
    generator: np.random.Generator,
    *,
    level: float = 0.95,
    resamples: int = 10_000,
) -> Interval:
    """Interval of the mean of `first - second`, item by item, both (n,).

    What the items have in common (a hard scene is hard for both) cancels, so it is far
    narrower than the two separate intervals suggest.
    """
    first, second = np.asarray(first, np.float64), np.asarray(second, np.float64)
    assert first.shape == second.shape, f"{first.shape} against {second.shape}: not pairs"
    return mean_interval(first - second, generator, level=level, resamples=resamples)


def _resampled_means(
    data: NDArray[np.float64], generator: np.random.Generator, resamples: int
) -> NDArray[np.float64]:
    means = np.empty(resamples)
    block = max(1, _AT_ONCE // data.size)
    for start in range(0, resamples, block):
        part = means[start : start + block]
        part[:] = data[generator.integers(data.size, size=(part.size, data.size))].mean(axis=1)
    return means
