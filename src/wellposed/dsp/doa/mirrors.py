"""Arrays and grids that are their own mirror images, for half the work on spectra.

Let J swap the sensors at x and -x, and let azimuth a on the grid have -a beside it: then the
response there is J times that at a. Among sums and differences of swapped sensors, M has blocks
that J keeps and blocks whose sign it changes, and so have the forms a^H M a: those of both sides
are the sum and the difference of two products of half the size, for half of the points each.
"""

from dataclasses import dataclass
from math import sqrt

import torch
from torch import Tensor

from wellposed.dsp.arrays.sensors import Array
from wellposed.dsp.doa.grids import Grid


@dataclass(frozen=True)
class Mirror:
    """Which sensors and which points are mirror images of each other."""

    pairs: tuple[Tensor, Tensor]
    """Sensors to the right and their images to the left"""
    middle: Tensor
    """Sensors that are their own images"""
    sides: tuple[Tensor, Tensor]
    """Points of one side, the middle included, and their images"""

    def apart(self, values: Tensor, axis: int) -> tuple[Tensor, Tensor]:
        """Sums, then the middle, and differences of sensors along an axis."""
        right, left = (values.index_select(axis, each) for each in self.pairs)
        middle = values.index_select(axis, self.middle)
        return torch.cat(((right + left) / sqrt(2), middle), axis), (right - left) / sqrt(2)


def mirror(array: Array, grid: Grid) -> Mirror | None:
    """Find the mirror x to -x of an array and a grid; none where they have no such thing.

    Positions are compared to rounding; whatever lies behind the sensors has no mirror image.
    """
    swap = _images(array.positions)
    azimuth = grid.azimuth
    if swap is None or array.through is not None or not _close(azimuth, -azimuth.flip(0)):
        return None
    own = torch.arange(len(swap), device=swap.device)
    right = own[own > swap]
    points = torch.arange(azimuth.numel() * grid.elevation.numel() * grid.inverse_range.numel())
    lines = points.to(swap.device).view(len(azimuth), -1)
    half = (len(azimuth) + 1) // 2
    sides = lines[:half].flatten(), lines.flip(0)[:half].flatten()
    return Mirror((right, swap[right]), own[own == swap], sides)


def _images(positions: Tensor) -> Tensor | None:
    """Index of every sensor's image."""
    if positions.ndim != 2:
        return None
    image = positions * positions.new_tensor([-1, 1, 1])
    away = torch.cdist(image, positions, compute_mode="donot_use_mm_for_euclid_dist")
    nearest = away.min(1)
    found = _close(image, positions[nearest.indices])
    return nearest.indices if found else None


def _close(first: Tensor, second: Tensor) -> bool:
    scale = second[torch.isfinite(second)].abs().max()
    rounding = 10 * torch.finfo(second.dtype).eps * float(scale)
    return bool(torch.allclose(first, second, rtol=0, atol=rounding))
