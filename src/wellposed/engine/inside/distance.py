"""How far a result lies from another one, in dB, and the mean of that over many items."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from wellposed.intervals import Interval, mean_interval


@torch.no_grad()
def relative_db(first: Tensor, other: Tensor) -> float:
    """Energy of `other - first` over that of `first` [dB], both of one shape.

    -inf exactly where every entry is equal; inf where `first` is zero and `other` is not; NaN where
    the two are not finite alike. Sums are taken in float64.
    """
    assert first.shape == other.shape, f"{tuple(first.shape)} against {tuple(other.shape)}"
    if torch.equal(first, other):
        return -math.inf
    wide = torch.complex128 if first.is_complex() else torch.float64
    first, other = first.to(wide), other.to(wide)
    apart, energy = (float(x.abs().square().sum()) for x in (other - first, first))
    if not math.isfinite(apart) or not math.isfinite(energy):
        return math.nan
    if energy == 0:
        return math.inf
    return 10 * math.log10(apart / energy) if apart else -math.inf


@dataclass(frozen=True)
class Distances:
    """Relative differences of many items [dB]; -inf: equal bit for bit."""

    each: tuple[float, ...]

    @property
    def equal(self) -> int:
        """Items without any difference."""
        return sum(each == -math.inf for each in self.each)

    @property
    def broken(self) -> int:
        """Items without a finite difference: NaN, or something against nothing."""
        return sum(not each < math.inf for each in self.each)

    def interval(self, seed: int = 0) -> Interval:
        """Mean [dB] of the items that differ, with its 95 % bootstrap interval."""
        kept = [each for each in self.each if math.isfinite(each)]
        return mean_interval(kept, np.random.default_rng(seed))

    def text(self) -> str:
        """Write it as `-43.1 [-44.0, -42.2] dB`, and what is not in the mean."""
        n, made = len(self.each), self.interval()
        if self.equal == n:
            return "equal bit for bit" if n else "nothing to compare"
        parts = [db_text(made)] if made.n else []
        if self.equal:
            parts.append(f"equal on {self.equal} of {n}")
        if self.broken:
            parts.append(f"not finite on {self.broken} of {n}")
        return ", ".join(parts)


def distances(firsts: Sequence[Tensor], others: Sequence[Tensor]) -> Distances:
    """Compare items one by one."""
    return Distances(tuple(relative_db(a, b) for a, b in zip(firsts, others, strict=True)))


def db_text(interval: Interval) -> str:
    """Mean and ends with one decimal, as fine as levels are read."""
    if math.isnan(interval.low):
        return f"{interval.mean:.1f} dB"
    return f"{interval.mean:.1f} [{interval.low:.1f}, {interval.high:.1f}] dB"
