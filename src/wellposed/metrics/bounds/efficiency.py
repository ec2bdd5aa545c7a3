"""How near errors come to a bound: RMSE / CRB, with the spread of that ratio."""

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

CHI_SQUARE_MEDIAN = 0.4549
"""Median of e^2 / CRB for an efficient Gaussian error: the median of chi^2 with one degree."""


@dataclass(frozen=True)
class Efficiency:
    """Errors beside their bound; in the unit of the errors."""

    rmse: float
    bound: float
    """root of the mean bound"""
    ratio: float
    """1 is efficient"""
    spread: float
    """one standard deviation of `ratio`, from the errors themselves"""
    median: float
    """of e^2 / CRB: unlike `ratio`, deaf to a few errors across the room; 0.455 if efficient"""
    n: int

    def __str__(self) -> str:
        """One line: error, bound and their ratio."""
        return (
            f"{self.rmse:.4g}, bound {self.bound:.4g}, ratio {self.ratio:.3f} "
            f"± {self.spread:.3f}, median e²/CRB {self.median:.2f} (0.45), n {self.n}"
        )


def efficiency(errors: Tensor, variances: Tensor) -> Efficiency:
    """Compare errors with the bounds on their variances, both of any one shape.

    Raises ValueError: nothing to compare, or a bound that is not finite; there the place is not
    identifiable and no ratio has a meaning.
    """
    squared = errors.double().square().flatten()
    allowed = variances.double().expand_as(errors).flatten()
    if not len(squared):
        raise ValueError("no errors to compare with a bound")
    if not (bad := torch.isfinite(allowed) & (allowed > 0)).all():
        raise ValueError(
            f"{int((~bad).sum())} of {len(allowed)} bounds are not finite and positive: these "
            "parameters are not identifiable; leave those scenes out and say how many"
        )
    rmse, bound = squared.mean().sqrt().item(), allowed.mean().sqrt().item()
    # d sqrt(m) = dm / (2 sqrt(m)), and the spread of a mean is that of its terms over sqrt(n).
    terms = squared.std(correction=0).item() / math.sqrt(len(squared))
    spread = terms / (2 * rmse * bound) if rmse else 0.0
    median = (squared / allowed).median().item()
    return Efficiency(rmse, bound, rmse / bound, spread, median, len(squared))


RESAMPLES = 4000
"""Bootstrap draws: a hundred beyond either end of a 95 % interval."""


def ratio_interval(
    errors: Tensor, variances: Tensor, scenes: Tensor, generator: np.random.Generator
) -> tuple[float, float]:
    """95 % interval of RMSE / CRB, root of the sum of e^2 over that of bounds, all `(n,)`.

    Whole scenes are drawn again (percentile bootstrap), `scenes` their numbers: errors and bounds
    of one scene depend on each other. With one scene the ends are NaN.
    """
    names, index = torch.unique(scenes, return_inverse=True)
    if len(names) < 2:
        return math.nan, math.nan
    squared, allowed = (
        torch.zeros(len(names), dtype=torch.float64).index_add_(0, index, each.double()).numpy()
        for each in (errors.square(), variances)
    )
    drawn = generator.integers(0, len(names), (RESAMPLES, len(names)))
    ratios = np.sqrt(squared[drawn].sum(1) / allowed[drawn].sum(1))
    low, high = np.quantile(ratios, [0.025, 0.975])
    return float(low), float(high)
