"""Grids of candidate places in one to three coordinates."""

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from wellposed.dsp.arrays.wavefront import Places


@dataclass(frozen=True)
class Grid:
    """Every combination of the values of three axes; an axis of one value is fixed.

    Ranges are gridded by their inverse: the curvature of a wave, and with it what sensors can
    tell apart, is even in it. Inverse range 0 is infinitely far.
    """

    azimuth: Tensor
    """[rad]"""
    elevation: Tensor
    """[rad]"""
    inverse_range: Tensor

    @classmethod
    def of(
        cls,
        azimuth: Tensor,
        elevation: Tensor | None = None,
        inverse_range: Tensor | None = None,
    ) -> "Grid":
        """A grid with elevation 0 and far sources where nothing is given."""
        zero = azimuth.new_zeros(1)
        rest = (zero if axis is None else axis for axis in (elevation, inverse_range))
        return cls(azimuth, *rest)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Values along azimuth, elevation and inverse range."""
        return len(self.azimuth), len(self.elevation), len(self.inverse_range)

    @cached_property
    def places(self) -> Places:
        """All of them, `(points,)`; the inverse range changes fastest."""
        axes = torch.meshgrid(self.azimuth, self.elevation, self.inverse_range, indexing="ij")
        azimuth, elevation, inverse = (axis.flatten() for axis in axes)
        return Places(azimuth, elevation, 1 / inverse)

    def at(self, index: Tensor) -> Places:
        """Places of points by their index."""
        return Places(*(axis[index] for axis in self.places))
