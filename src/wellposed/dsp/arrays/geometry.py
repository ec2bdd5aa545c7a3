"""Where sensors are, and unit vectors of directions with their derivatives."""

import math

import torch
from torch import Tensor

DOUBLE = torch.float64


def line(count: int, spacing: float) -> Tensor:
    """Sensors along x, centred, `(count, 3)` in the unit of `spacing`, float64."""
    positions = torch.zeros(count, 3, dtype=DOUBLE)
    positions[:, 0] = centred(count) * spacing
    return positions


def plane(columns: int, rows: int, spacing: float) -> Tensor:
    """Sensors in x and y, centred, `(columns * rows, 3)`; sensor `row * columns + column`."""
    positions = torch.zeros(rows, columns, 3, dtype=DOUBLE)
    positions[:, :, 0] = centred(columns) * spacing
    positions[:, :, 1] = (centred(rows) * spacing)[:, None]
    return positions.flatten(0, 1)


def circle(count: int, radius: float) -> Tensor:
    """Sensors around y, `(count, 3)`; the first at azimuth 0, then with growing azimuth."""
    angle = torch.arange(count, dtype=DOUBLE) * (2 * math.pi / count)
    return radius * direction(angle, torch.zeros_like(angle))


def centred(count: int) -> Tensor:
    """Whole steps around zero: (-1.5, -0.5, 0.5, 1.5) for four."""
    return torch.arange(count, dtype=DOUBLE) - (count - 1) / 2


def direction(azimuth: Tensor, elevation: Tensor) -> Tensor:
    """Unit vectors `(..., 3)` of angles [rad]."""
    level = elevation.cos()
    return torch.stack((azimuth.sin() * level, elevation.sin(), azimuth.cos() * level), -1)


def direction_by_azimuth(azimuth: Tensor, elevation: Tensor) -> Tensor:
    """Derivative of `direction` with respect to the azimuth `(..., 3)`."""
    level = elevation.cos()
    zero = torch.zeros_like(azimuth * level)
    return torch.stack((azimuth.cos() * level, zero, -azimuth.sin() * level), -1)


def direction_by_elevation(azimuth: Tensor, elevation: Tensor) -> Tensor:
    """Derivative of `direction` with respect to the elevation `(..., 3)`."""
    sine = elevation.sin()
    level = elevation.cos().expand_as(azimuth + elevation)
    return torch.stack((-azimuth.sin() * sine, level, -azimuth.cos() * sine), -1)


def aperture(positions: Tensor) -> Tensor:
    """Largest distance of two sensors `(...)`."""
    return torch.cdist(positions, positions).amax((-2, -1))


def fraunhofer_range(aperture: Tensor, wavelength: float) -> Tensor:
    """2 D^2 / wavelength: nearer, the curvature of a wavefront exceeds an eighth of a turn."""
    return 2 * aperture.square() / wavelength


def fresnel_range(aperture: Tensor, wavelength: float) -> Tensor:
    """0.62 sqrt(D^3 / wavelength): nearer, the third order of the path exceeds pi / 8 in phase."""
    return 0.62 * (aperture**3 / wavelength).sqrt()
