"""The map of a network: cells of directions, curvatures, and how places and cells become another.

Directions are cut evenly in u = sin(azimuth) cos(elevation) and v = sin(elevation), where the beam
of a plane has one shape everywhere; ranges evenly in their inverse. A line has one row of cells, at
elevation 0, and one curvature, infinitely far.
"""

import math
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import torch
from torch import Tensor

from wellposed.dsp.arrays.wavefront import Coordinate, Places
from wellposed.systems.locate.recipe import Line, Model, Scenes

SURFACE, BENDS = (20, 12), 6
"""Directions and curvatures before the reference surface, where the recipe names none; see there
why."""
TO_A_BEAM = 4
"""Cells to the width of a line's beam, wavelength / length, where the recipe names none."""


class Placed(NamedTuple):
    """Where sources are on the map, `(..., sources)` each."""

    cell: Tensor
    """Index of the cell, column major in v"""
    offset: Tensor
    """`(..., sources, axes)` from the middle of the cell, in cells: -0.5 to 0.5"""
    curvature: Tensor
    """In steps of the curvatures: 0 to curvatures - 1, fractional"""


@dataclass(frozen=True)
class Cells:
    """The map over the limits of the scenes."""

    columns: int
    rows: int
    curvatures: int
    azimuth: tuple[float, float]
    """Limits [rad]"""
    elevation: tuple[float, float]
    """Limits [rad]"""
    inverse_range: tuple[float, float]
    """Limits [1 / m]"""

    @classmethod
    def of(cls, model: Model, scenes: Scenes) -> "Cells":
        """Make the map of a recipe."""
        azimuth = _radians(scenes.azimuth_deg)
        if scenes.kind == "line":
            columns, _ = model.directions or (_columns(azimuth, scenes.line), 1)
            return cls(columns, 1, 1, azimuth, (0.0, 0.0), (0.0, 0.0))
        near, far = scenes.range_m
        columns, rows = model.directions or SURFACE
        elevation, bends = _radians(scenes.elevation_deg), model.curvatures or BENDS
        return cls(columns, rows, bends, azimuth, elevation, (1 / far, 1 / near))

    @property
    def flat(self) -> bool:
        """Whether azimuth is all that there is."""
        return self.rows == 1

    @property
    def axes(self) -> int:
        """Coordinates of a direction on the map."""
        return 1 if self.flat else 2

    @property
    def limits(self) -> dict[Coordinate, tuple[float, float]]:
        """What is searched, and what a search keeps to."""
        if self.flat:
            return {"azimuth": self.azimuth}
        return {
            "azimuth": self.azimuth,
            "elevation": self.elevation,
            "inverse_range": self.inverse_range,
        }

    @cached_property
    def extent(self) -> tuple[float, float, float, float]:
        """Least u and v, and the width of a cell in each."""
        level = max(math.cos(self.elevation[0]), math.cos(self.elevation[1]))
        if self.elevation[0] < 0 < self.elevation[1]:
            level = 1.0
        low, high = (math.sin(each) * level for each in self.azimuth)
        if self.flat:
            return low, -0.5, (high - low) / self.columns, 1.0
        bottom, top = (math.sin(each) for each in self.elevation)
        return low, bottom, (high - low) / self.columns, (top - bottom) / self.rows

    def curvature_values(self) -> Tensor:
        """Inverse ranges of the curvatures, float64."""
        return torch.linspace(*self.inverse_range, self.curvatures, dtype=torch.float64)

    def directions(self) -> Tensor:
        """u and v of the middles of all cells `(columns * rows, 2)`, float64."""
        low, bottom, width, height = self.extent
        u = low + width * (torch.arange(self.columns, dtype=torch.float64) + 0.5)
        v = bottom + height * (torch.arange(self.rows, dtype=torch.float64) + 0.5)
        return torch.stack(torch.meshgrid(u, v, indexing="ij"), -1).flatten(0, 1)

    def grid(self) -> Places:
        """Middles of cells at all curvatures `(columns * rows * curvatures,)`, float64."""
        middle = self.directions()[:, None].expand(-1, self.curvatures, -1).flatten(0, 1)
        inverse = self.curvature_values().repeat(self.columns * self.rows)
        return self.places(middle[:, 0], middle[:, 1], inverse)

    def places(self, u: Tensor, v: Tensor, inverse_range: Tensor) -> Places:
        """Turn into angles within the limits, and ranges."""
        sine = (math.sin(self.elevation[0]), math.sin(self.elevation[1]))
        elevation = v.clamp(*sine).asin()
        # An arc sine has no slope at its ends; limits of a half turn would bring them in.
        ratio = (u / elevation.cos()).clamp(-1 + 1e-6, 1 - 1e-6)
        azimuth = ratio.asin().clamp(*self.azimuth)
        return Places(azimuth, elevation, 1 / inverse_range.clamp(*self.inverse_range))

    def located(self, places: Tensor) -> Placed:
        """Find places `(..., sources, 3)` (azimuth, elevation, inverse range) on the map."""
        azimuth, elevation, inverse = places.unbind(-1)
        low, bottom, width, height = self.extent
        x = (azimuth.sin() * elevation.cos() - low) / width
        y = (elevation.sin() - bottom) / height
        column = x.floor().clamp(0, self.columns - 1)
        row = y.floor().clamp(0, self.rows - 1)
        nearest, farthest = self.inverse_range
        step = (farthest - nearest) / max(1, self.curvatures - 1)
        curvature = ((inverse - nearest) / (step or 1.0)).clamp(0, self.curvatures - 1)
        offset = torch.stack((x - column - 0.5, y - row - 0.5), -1)[..., : self.axes]
        return Placed((column * self.rows + row).long(), offset, curvature)


def _columns(azimuth: tuple[float, float], line: Line) -> int:
    """Cells of a line over its limits."""
    span = math.sin(azimuth[1]) - math.sin(azimuth[0])
    return max(4, math.ceil(TO_A_BEAM * span * line.sensors * line.spacing))


def _radians(span: tuple[float, float]) -> tuple[float, float]:
    return math.radians(span[0]), math.radians(span[1])
