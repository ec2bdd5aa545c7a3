"""Where directions of wide-band sound are looked for, with one array of microphones."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from wellposed.dsp.arrays.geometry import direction
from wellposed.dsp.doa.peaks import peaks
from wellposed.dsp.doa.wideband import Pairs, climb, scanned, steered
from wellposed.systems.locate.microphones import Microphones

UPRIGHT = 1e-6
"""A line whose horizontal part is a smaller share of it stands upright."""
STARTS = 3
"""Highest points of the grid that are climbed from: the right one may not be the highest."""
GRID_DEG = 5.0
"""Of the first search; the response's main lobe at 4 kHz is 20 degrees wide for 25 cm, and a climb
follows. Arrays that are larger get a finer one."""


@dataclass(frozen=True)
class Search:
    """Where directions are looked for, with one array."""

    pairs: Pairs
    wavenumbers: Tensor
    grid: Tensor
    """`(azimuths, elevations, 2)`"""
    free: Tensor
    normal: Tensor | None
    notes: tuple[str, ...]

    @classmethod
    def of(cls, microphones: Microphones, pairs: Pairs, wavenumbers: Tensor) -> "Search":
        """Look at the whole sphere, or at the part that the array can tell."""
        filled, axes = microphones.extents()
        step = math.radians(GRID_DEG) * min(1.0, 0.25 / microphones.widest)
        around = torch.linspace(-math.pi, math.pi, math.ceil(2 * math.pi / step) + 1).double()[:-1]
        above = torch.linspace(-math.pi / 2, math.pi / 2, math.ceil(math.pi / step) + 1).double()
        free = torch.tensor([True, True])
        notes: tuple[str, ...] = ()
        normal = microphones.normal()
        if filled == 1:
            around, above, free = _beside(axes[0], around, above)
            notes = (
                "the microphones lie on a line: only the angle to it is heard. Told is the "
                "direction in front, in the plane of zero elevation",
            )
        elif normal is not None:
            side = ", ".join(f"{float(each) + 0.0:.2f}" for each in normal)
            notes = (
                "the microphones lie in a plane, and both of its sides sound alike. Told is the "
                f"side of ({side}): right, up, forward",
            )
        grid = torch.stack(torch.meshgrid(around, above, indexing="ij"), -1)
        return cls(pairs, wavenumbers, grid, free, normal, notes)

    def best(self, crossed: Tensor) -> Tensor:
        """Angles `(n, 2)` of the highest responses of each `(n, pairs, bins)`: grid, then climb."""
        angles, response = self.grid.flatten(0, 1), self.seen(crossed)
        starts = angles[peaks(response, self.grid.shape[:2], STARTS, wrapped=(0,)).index]
        found = torch.stack([self.climbed(crossed, each) for each in starts.unbind(1)], 1)
        heights = torch.stack([self.heights(crossed, each) for each in found.unbind(1)], 1)
        chosen = heights.argmax(1)[:, None, None].expand(-1, 1, 2)
        return found.gather(1, chosen)[:, 0]

    def seen(self, crossed: Tensor) -> Tensor:
        """Responses `(n, directions)` of the grid; least on a side that is not told."""
        angles = self.grid.flatten(0, 1)
        response = scanned(crossed, self.pairs, self.wavenumbers, angles)
        if self.normal is None:
            return response
        told = direction(angles[:, 0], angles[:, 1]) @ self.normal >= -1e-9
        return torch.where(told, response, response.amin(-1, keepdim=True))

    def heights(self, crossed: Tensor, angles: Tensor) -> Tensor:
        """Response `(n,)` of each `(n, pairs, bins)` at its own angles `(n, 2)`."""
        return steered(crossed, self.pairs, self.wavenumbers, angles[:, None])[:, 0]

    def climbed(self, crossed: Tensor, start: Tensor) -> Tensor:
        """Angles `(n, 2)` beside `start`, on the side that is told."""
        found = climb(crossed, self.pairs, self.wavenumbers, start, free=self.free)
        unit = direction(found[:, 0], found[:, 1])
        if self.normal is not None:
            beyond = (unit @ self.normal).clamp(max=0)[:, None]
            unit = unit - 2 * beyond * self.normal
        kept = torch.stack(
            [torch.atan2(unit[:, 0], unit[:, 2]), unit[:, 1].clamp(-1, 1).asin()], -1
        )
        return torch.where(self.free, kept, start) if not bool(self.free.all()) else kept


def _beside(axis: Tensor, around: Tensor, above: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The half circle of directions that a line of microphones tells apart."""
    if float(axis[[0, 2]].norm()) < UPRIGHT:
        return torch.zeros(1).double(), above, torch.tensor([False, True])
    along = math.atan2(float(axis[0]), float(axis[2]))
    # One of the two halves that begin at the line holds the front.
    begin = along if math.sin(-along) > 0 else along + math.pi
    half = begin + torch.linspace(0, math.pi, len(around) // 2 + 1).double()
    half = torch.atan2(half.sin(), half.cos())
    return half, torch.zeros(1).double(), torch.tensor([True, False])
