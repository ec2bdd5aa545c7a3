"""Where the level settles when one gain is shared by all items, as shared weights make it.

Targets that are present hold the level up, silent targets press it down. The objective over a
common gain tells before training whether some gain is best, and which.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch

from .bench import FLAT
from .probes import rms
from .terms import Objective

LOWEST, HIGHEST = 1e-4, 10.0
"""Range of the common gain."""

PER_DECADE = 8
"""Gains per decade; around the best one, `FINE` times as many."""

FINE = 16

SETTLED = 1.2
"""Largest ratio of gains as good as the best (1.6 dB) that still is a level."""

BATCH_SIZES = (1, 2, 4, 8, 16, 32)

Curve = Mapping[float, float]


@dataclass(frozen=True)
class Settling:
    """What the curve says for one batch size."""

    best: float
    low: float
    high: float
    """Gains as good as the best lie in [`low`, `high`]."""
    saved: float
    """What the best gain costs less than gain one, as a share of the curve's range."""
    level: float
    """Level of the estimates at the best gain, over that of the references."""

    @property
    def settles(self) -> bool:
        """Whether one level is best."""
        return self.high / self.low < SETTLED

    @property
    def near_one(self) -> bool:
        """Whether a gain within a factor of two of one is among the best."""
        return self.low <= 2 and self.high >= 0.5


class Equilibrium:
    """Weighted terms of every kind over the common gain; computed once for all batch sizes."""

    def __init__(self, objective: Objective) -> None:
        """Follow the gain over its range."""
        self.objective = objective
        self._held: dict[tuple[str, float], float] = {}
        decades = math.log10(HIGHEST / LOWEST)
        steps = round(decades * PER_DECADE)
        self.gains = [LOWEST * 10 ** (decades * k / steps) for k in range(steps + 1)]

    def settle(self, batch_size: int | None = None) -> Settling:
        """Find the best gain, and all that are as good."""
        curve = self.curve(self.gains, batch_size)
        coarse = min(curve, key=lambda gain: curve[gain])
        step = 10 ** (1 / PER_DECADE)
        fine = [coarse * step ** (k / FINE) for k in range(-FINE, FINE + 1)]
        curve = dict(sorted((curve | self.curve(_inside(fine), batch_size)).items()))
        best = min(curve, key=lambda gain: curve[gain])
        # Errors grow without end at higher gains; those are no measure of what is flat.
        span = max(cost for gain, cost in curve.items() if gain <= 2) - curve[best]
        good = [gain for gain, cost in curve.items() if cost <= curve[best] + FLAT * span]
        at_one = self.curve([1.0], batch_size)[1.0]
        return Settling(
            best=best,
            low=min(good),
            high=max(good),
            saved=(at_one - curve[best]) / span if span else 0.0,
            level=best * self._level(),
        )

    def curve(self, gains: Sequence[float], batch_size: int | None = None) -> dict[float, float]:
        """The objective of an average batch, by common gain."""
        kinds = self.objective.items
        chance = {kind: self.objective.chance(kind, batch_size) for kind in kinds}
        return {
            gain: sum(chance[kind] * self._cost(kind, gain) for kind in kinds) for gain in gains
        }

    @torch.no_grad()
    def _cost(self, kind: str, gain: float) -> float:
        if (kind, gain) not in self._held:
            values = self.objective.values(kind, gain * self.objective.items[kind].estimate)
            self._held[kind, gain] = sum(float(value) for value in values.values())
        return self._held[kind, gain]

    def _level(self) -> float:
        """Level of the estimates over that of the references, where those are not silent."""
        ratios = []
        for items in self.objective.items.values():
            wanted = rms(items.reference)
            ratios += (rms(items.estimate) / wanted)[wanted > 0].tolist()
        return float(torch.tensor(ratios).median()) if ratios else math.nan


def _inside(gains: Sequence[float]) -> list[float]:
    return [gain for gain in gains if LOWEST <= gain <= HIGHEST]
