"""What values a network meets on its way, on sequences as in training and on longer ones.

Every group of items is run twice: as the short sequences it consists of, and joined to one long
sequence. The material is the same, so what differs between the two is the length alone.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from wellposed.engine.inside.clamping import Bites, Clamp
from wellposed.engine.inside.observe import everything, passing
from wellposed.guard.quantiles import ERROR, Sketch
from wellposed.intervals import Interval, mean_interval

SHARES = (0.001, 0.01, 0.5, 0.99, 0.999)
"""Quantiles that are shown."""
FAR = 0.999
"""Share whose quantile of the magnitudes is followed as sequences grow: single extremes are too
few to be compared."""
SURE = (1 + ERROR) / (1 - ERROR)
"""A ratio of two quantiles below this may be an error of the sketches."""

Unit = tuple[float, str]
"""Factor that values are shown with, and the name of what comes out."""


@dataclass(frozen=True)
class Group:
    """Short sequences `(items, time)`, and the same as one long sequence `(1, items * time)`."""

    short: Tensor
    long: Tensor


@dataclass
class PointRange:
    """Everything that was seen at one point."""

    point: str
    unit: Unit = (1.0, "")
    short: Sketch = field(default_factory=Sketch)
    long: Sketch = field(default_factory=Sketch)
    ratios: list[float] = field(default_factory=list)
    """Of each group: the 99.9 % quantile of magnitudes, long over short; finite ones."""

    @property
    def growth(self) -> Interval:
        """Geometric mean of the ratios with its 95 % bootstrap interval."""
        seed = np.random.default_rng([0, *self.point.encode()])
        made = mean_interval(np.log(np.asarray(self.ratios, np.float64)), seed)
        mean, low, high = (math.exp(each) for each in (made.mean, made.low, made.high))
        return Interval(mean, low, high, made.n, made.note)

    @property
    def grows(self) -> bool:
        """Whether it surely grows with length, beyond what the sketches can err."""
        return self.growth.low > SURE

    def report(self) -> dict[str, Any]:
        """All figures, in the unit that they are shown in."""
        growth = self.growth
        kept = {"mean": growth.mean, "low": growth.low, "high": growth.high, "groups": growth.n}
        sides = {"short": self.short, "long": self.long}
        return {
            "point": self.point,
            "unit": self.unit[1],
            **{name: _figures(sketch, self.unit[0]) for name, sketch in sides.items()},
            "growth": kept,
            "grows": self.grows,
        }


@dataclass
class Observed:
    """The ranges of all points in the order in which values pass, and where clamps would bite."""

    points: dict[str, PointRange] = field(default_factory=dict)
    bites: list[Bites] = field(default_factory=list)
    bites_long: list[Bites] = field(default_factory=list)
    outputs: list[tuple[Tensor, Tensor]] = field(default_factory=list)
    """Results for the short and the long sequences of each group."""

    def at(self, keep: Callable[[str], bool]) -> list[PointRange]:
        """The ranges of the points that are to be kept."""
        return [each for point, each in self.points.items() if keep(point)]


def observe(
    network: nn.Module,
    groups: Iterable[Group],
    *,
    clamps: Sequence[Clamp] = (),
    unit: Callable[[str], Unit] = lambda point: (1.0, ""),
) -> Observed:
    """Run all groups and count everything that passes; the network is left as it was."""
    made = Observed(bites=[Bites(each) for each in clamps], bites_long=[Bites(c) for c in clamps])
    for group in groups:
        short, output_short = _run(network, group.short, made.bites)
        long, output_long = _run(network, group.long, made.bites_long)
        made.outputs.append((output_short, output_long))
        for point, sketch in short.items():
            each = made.points.setdefault(point, PointRange(point, unit(point)))
            _grown(each, sketch, long[point])
    return made


@torch.no_grad()
def _run(
    network: nn.Module, batch: Tensor, bites: Sequence[Bites]
) -> tuple[dict[str, Sketch], Tensor]:
    seen: dict[str, Sketch] = {}

    def visit(point: str, values: Tensor) -> Tensor:
        if values.is_floating_point() or values.is_complex():
            seen.setdefault(point, Sketch()).add(values)
            for each in bites:
                each.add(point, values)
        return values

    with passing(network, visit, hidden=everything):
        output = network(batch)
    return seen, output


def _grown(each: PointRange, short: Sketch, long: Sketch) -> None:
    (before,), (after,) = short.magnitudes([FAR]), long.magnitudes([FAR])
    if 0 < before < math.inf and 0 < after < math.inf:
        each.ratios.append(after / before)
    each.short.merge(short)
    each.long.merge(long)


def _figures(sketch: Sketch, factor: float) -> dict[str, Any]:
    values = (factor * each for each in sketch.quantiles(SHARES))
    return {
        "values": sketch.count,
        "nan": sketch.nan,
        "infinite": sketch.infinite,
        "min": factor * sketch.low,
        **dict(zip((f"{100 * share:g}%" for share in SHARES), values, strict=True)),
        "max": factor * sketch.high,
        "largest": factor * sketch.largest,
    }


def joined(batches: Iterable[Tensor]) -> Iterator[Group]:
    """Make groups of batches `(items, time)`, joined in their order.

    What each item is scaled by is the system's to choose before.
    """
    for batch in batches:
        yield Group(batch, batch.reshape(1, -1))
