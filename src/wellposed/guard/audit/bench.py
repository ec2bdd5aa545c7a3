"""What every test of an audit works with: the loss, the probes, and the scale of its numbers.

Tolerances come from the loss itself. `ulp` is what rounding of the estimate does to it, `spread`
the standard deviation over noise draws, and `tolerance` three times their sum: a difference below
it is no preference. `span` is the price of unrelated speech above a good estimate.
"""

from dataclasses import dataclass
from functools import cached_property
from statistics import median, stdev

import torch
from torch import Tensor

from ..findings import Severity
from .asked import Asked, Slope
from .ladder import GOOD_DB, HIGHEST_DB, Ladder
from .probes import Probes

DRAWS = 8
"""Noise draws for the spread."""

FLAT = 1e-4
"""Losses within this share of their range are as good as each other."""

GAINS = (0.1, 0.3, 3.0, 10.0)
"""Gains that a loss must notice."""

QUIETEST = 2**-15 / 12**0.5
"""Rounding noise of 16-bit audio, RMS: what is quieter is silence in a file (-98 dB)."""


@dataclass(frozen=True)
class Scale:
    """Sizes that differences and gradients are compared with."""

    good: float
    """Loss of the good estimate."""
    ulp: float
    spread: float
    tolerance: float
    span: float
    gradient: float
    """Ordinary norm of one item's gradient: median over estimates at 20, 10, 0 dB, unrelated."""

    @property
    def unit(self) -> float:
        """What changes are given in: the span, or what can be told from noise if that is more."""
        return max(abs(self.span), self.tolerance)


@dataclass(frozen=True)
class Bench:
    """One loss on the bench."""

    asked: Asked
    probes: Probes
    scale: Scale
    ladder: Ladder
    role: str = "total"
    declared: frozenset[str] = frozenset()
    quietest_db: float = -81.0
    """Level of the quietest estimate that training meets, relative to the reference [dB]."""

    @property
    def good(self) -> Tensor:
        """The good estimate."""
        return self.probes.noisy(GOOD_DB)

    @property
    def near(self) -> Tensor:
        """An estimate that nearly is the reference: what happens here is not for want of SNR."""
        return self.probes.noisy(HIGHEST_DB)

    @property
    def reference(self) -> Tensor:
        """The references."""
        return self.probes.reference

    @cached_property
    def blind_to_gain(self) -> bool:
        """Whether a tenth to ten times the good estimate costs the same, as far as can be told.

        Floors inside a ratio move it by more than rounding; that is no preference.
        """
        losses = [self.scale.good, *(self.scale.good + self.change(g * self.good) for g in GAINS)]
        return max(losses) - min(losses) <= max(10 * self.scale.ulp, FLAT * self.scale.unit)

    @property
    def total(self) -> bool:
        """Whether this is the whole objective."""
        return self.role == "total"

    def severity(self, total: Severity, term: Severity) -> Severity:
        """One severity for the whole objective, another for a term of it."""
        return total if self.total else term

    def change(self, estimate: Tensor) -> float:
        """Loss of an estimate above that of the good one."""
        return self.asked.value(estimate, self.reference) - self.scale.good

    def outweighs(self, slope: Slope, items: int | None = None) -> float:
        """The largest gradient among the first `items` (all), in ordinary gradients of an item."""
        ordinary = self.scale.gradient
        largest = float(slope.rows[:items].max())
        return largest / ordinary if ordinary > 0 else (0.0 if largest == 0 else float("inf"))


def measure(asked: Asked, probes: Probes) -> Scale:
    """Ask for the sizes of a loss at the good estimate."""
    reference, good = probes.reference, probes.noisy(GOOD_DB)
    values = [asked.value(probes.noisy(GOOD_DB, draw), reference) for draw in range(DRAWS)]
    # Rounding, and whatever a loss that draws numbers itself does between two calls.
    moved = asked.value(good * (1 + 2**-22), reference) - values[0]
    again = asked.value(good, reference) - values[0]
    ulp = abs(moved) + abs(again) + 1e-7 * abs(values[0]) + 1e-12
    ordinary = [probes.noisy(snr) for snr in (20.0, 10.0, 0.0)] + [probes.unrelated]
    slopes = [asked.slope(estimate, reference) for estimate in ordinary]
    spread = stdev(values)
    return Scale(
        good=values[0],
        ulp=ulp,
        spread=spread,
        tolerance=3 * (spread + ulp),
        span=slopes[-1].value - values[0],
        gradient=median(float(torch.median(each.rows)) for each in slopes),
    )
