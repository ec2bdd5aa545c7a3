"""Proposed clamps: where they apply, how often they bite, and a network that runs with them."""

import math
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from difflib import get_close_matches
from fnmatch import fnmatchcase

import torch
from torch import Tensor, nn

from wellposed.engine.inside.observe import everything, passing
from wellposed.errors import RecipeError


@dataclass(frozen=True)
class Clamp:
    """Limits for the values at all points whose names match a pattern."""

    pattern: str
    low: float = -math.inf
    high: float = math.inf

    @classmethod
    def parse(cls, text: str) -> "Clamp":
        """Read `PATTERN=LOW:HIGH`, either limit may be left out. RecipeError: anything else."""
        pattern, equals, limits = text.rpartition("=")
        low, colon, high = limits.partition(":")
        try:
            ends = float(low or -math.inf), float(high or math.inf)
        except ValueError:
            ends = math.nan, math.nan
        if not (pattern and equals and colon and ends[0] <= ends[1]):
            raise RecipeError(
                f"--clamp {text}: wanted PATTERN=LOW:HIGH with LOW not above HIGH, either may be "
                "left out, as in 'paths.layers.*=-10:10' or '*:A_bar=:0.999'"
            )
        return cls(pattern, *ends)

    def __str__(self) -> str:
        """Write it as it was given."""
        low, high = ("" if math.isinf(end) else f"{end:g}" for end in (self.low, self.high))
        return f"{self.pattern}={low}:{high}"

    def at(self, point: str) -> bool:
        """Whether it applies at a point."""
        return point == self.pattern or fnmatchcase(point, self.pattern)

    def outside(self, values: Tensor) -> int:
        """How many entries lie beyond the limits; NaN does not (waits for the device)."""
        parts = torch.view_as_real(values) if values.is_complex() else values
        return int(((parts < self.low) | (parts > self.high)).sum())

    def applied(self, values: Tensor) -> Tensor:
        """The values with the limits; real and imaginary parts alike. Whole numbers stay."""
        if values.is_complex():
            parts = torch.view_as_real(values).clamp(self.low, self.high)
            return torch.view_as_complex(parts.contiguous())
        return values.clamp(self.low, self.high) if values.is_floating_point() else values


def require_points(clamps: Iterable[Clamp], points: Sequence[str]) -> None:
    """Raise RecipeError, with the nearest names, for a clamp that applies nowhere."""
    for clamp in clamps:
        if not any(clamp.at(point) for point in points):
            near = get_close_matches(clamp.pattern, points, n=3, cutoff=0.3)
            raise RecipeError(
                f"--clamp {clamp}: no point of this network is so named; near: "
                f"{', '.join(near or points[:3])}. The table of --ranges names them all."
            )


@contextmanager
def clamped(network: nn.Module, clamps: Sequence[Clamp]) -> Iterator[None]:
    """Run the network with clamps at all points where they apply, in their order.

    Every part that can show what it hides runs so, as when it was observed: the two passes then
    differ by the clamps alone, not by the rounding of another engine.
    """

    def visit(point: str, values: Tensor) -> Tensor:
        for clamp in clamps:
            values = clamp.applied(values) if clamp.at(point) else values
        return values

    with passing(network, visit, hidden=everything):
        yield


@dataclass
class Bites:
    """How many values of a stream lie beyond the limits of a clamp, point by point."""

    clamp: Clamp
    counts: dict[str, tuple[int, int]] = field(default_factory=dict)
    """Point -> values beyond the limits, values."""

    def add(self, point: str, values: Tensor) -> None:
        """Count, if the clamp applies there."""
        if self.clamp.at(point):
            hit, seen = self.counts.get(point, (0, 0))
            size = values.numel() * (2 if values.is_complex() else 1)
            self.counts[point] = hit + self.clamp.outside(values), seen + size

    @property
    def share(self) -> float:
        """Share of all values at all of its points."""
        hits, seen = (sum(each) for each in zip(*self.counts.values(), strict=True))
        return hits / max(seen, 1)
