"""What proposed clamps would change: the same network on the same items, with and without them."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from wellposed.engine.inside.clamping import Bites, Clamp, clamped
from wellposed.engine.inside.distance import Distances, distances
from wellposed.engine.inside.ranges import Group, Observed
from wellposed.intervals import Interval, paired_interval

Figures = Mapping[str, Sequence[float | None]]
"""Name of a loss or metric -> its value for every item, None where it is undefined."""
Score = Callable[[Tensor, int], Figures]
"""The results `(items, time)` of a group and its number, to figures."""


@dataclass(frozen=True)
class Effect:
    """What one clamp, or all of them together, would do."""

    name: str
    shares: tuple[float, float] | None
    """Share of values beyond the limits on short and on long sequences; None of all together."""
    where: Mapping[str, tuple[float, float]]
    """The same of the points where it bites at all."""
    short: Distances
    long: Distances
    """Change of the output relative to the output, item by item."""
    figures: Mapping[str, Interval]
    """Change of losses and metrics on the short sequences, paired."""

    @property
    def bites(self) -> bool:
        """Whether any value lies beyond the limits."""
        return self.shares is None or any(self.shares)

    def report(self) -> dict[str, Any]:
        """All figures."""
        return {
            "clamp": self.name,
            "share": None if self.shares is None else dict(zip(SIDES, self.shares, strict=True)),
            "points": {
                key: dict(zip(SIDES, each, strict=True)) for key, each in self.where.items()
            },
            "output_change_db": {
                side: _distance_report(each)
                for side, each in zip(SIDES, (self.short, self.long), strict=True)
            },
            "figures": {
                name: {"mean": each.mean, "low": each.low, "high": each.high, "n": each.n}
                for name, each in self.figures.items()
            },
        }


SIDES = ("short", "long")


class Trial:
    """A network that has been observed on groups, to be run once more with clamps."""

    def __init__(
        self, network: nn.Module, groups: Sequence[Group], seen: Observed, score: Score
    ) -> None:
        """Score what the network gave without clamps."""
        self._network, self._groups, self._seen, self._score = network, groups, seen, score
        self._before = self._scored([short for short, _ in seen.outputs])

    def effects(self) -> list[Effect]:
        """Of every clamp that was counted alone, and of all of them together if several."""
        seen = self._seen
        made = [self._one(*sides) for sides in zip(seen.bites, seen.bites_long, strict=True)]
        biting = [each.clamp for each, one in zip(seen.bites, made, strict=True) if one.bites]
        if len(biting) > 1:
            made.append(self._run("all of them together", biting, None, {}))
        return made

    def _one(self, short: Bites, long: Bites) -> Effect:
        where = {
            point: (_share(counts), _share(long.counts[point]))
            for point, counts in short.counts.items()
        }
        bitten = {point: each for point, each in where.items() if any(each)}
        return self._run(str(short.clamp), [short.clamp], (short.share, long.share), bitten)

    @torch.no_grad()
    def _run(
        self,
        name: str,
        clamps: Sequence[Clamp],
        shares: tuple[float, float] | None,
        where: Mapping[str, tuple[float, float]],
    ) -> Effect:
        if shares == (0.0, 0.0):
            return self._unchanged(name)
        with clamped(self._network, clamps):
            made = [(self._network(each.short), self._network(each.long)) for each in self._groups]
        apart: tuple[list[float], list[float]] = ([], [])
        for old, new in zip(self._seen.outputs, made, strict=True):
            for kept, first, other in zip(apart, old, new, strict=True):
                kept.extend(distances(list(first), list(other)).each)
        after = self._scored([short for short, _ in made])
        figures = {key: _paired(key, after[key], self._before[key]) for key in after}
        short, long = (Distances(tuple(each)) for each in apart)
        return Effect(name, shares, where, short, long, figures)

    def _unchanged(self, name: str) -> Effect:
        """What a clamp does that no value reaches: nothing, which needs no second run."""
        equal = [
            Distances((-math.inf,) * sum(len(each[side]) for each in self._seen.outputs))
            for side in (0, 1)
        ]
        figures = {key: _paired(key, values, values) for key, values in self._before.items()}
        return Effect(name, (0.0, 0.0), {}, equal[0], equal[1], figures)

    def _scored(self, outputs: Sequence[Tensor]) -> dict[str, list[float | None]]:
        made: dict[str, list[float | None]] = {}
        for number, output in enumerate(outputs):
            for name, values in self._score(output, number).items():
                made.setdefault(name, []).extend(values)
        return made


def _paired(name: str, after: Sequence[float | None], before: Sequence[float | None]) -> Interval:
    kept = [
        (new, old)
        for new, old in zip(after, before, strict=True)
        if new is not None and old is not None and math.isfinite(new) and math.isfinite(old)
    ]
    rng = np.random.default_rng([0, *name.encode()])
    return paired_interval([new for new, _ in kept], [old for _, old in kept], rng)


def _share(counts: tuple[int, int]) -> float:
    return counts[0] / max(counts[1], 1)


def _distance_report(each: Distances) -> dict[str, Any]:
    made = each.interval()
    return {
        "mean": made.mean,
        "low": made.low,
        "high": made.high,
        "items": len(each.each),
        "equal": each.equal,
        "not_finite": each.broken,
    }
