"""Directions of wide-band sources: what pairs of sensors agree on over all frequencies.

The cross-spectrum of two sensors turns with frequency by the difference of their paths; steered
back by the right direction all bins of all pairs point one way. With every bin at unit length that
is the steered response with phase transform (DiBiase, "A high-accuracy, low-latency technique for
talker localization", 2000). Beyond the grid the response is climbed by damped Gauss-Newton steps.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from wellposed.dsp.arrays.geometry import (
    direction,
    direction_by_azimuth,
    direction_by_elevation,
)

STEPS = 30
"""Of a climb; five are enough from a grid of a beam's tenth, and a step costs next to nothing."""
PORTION = 256
"""Directions that are steered to at a time: some 10 MB for six pairs and 500 bins."""
EASIER, HARDER = 1 / 3, 4.0
"""Factors of the damping after a step that helped and one that did not."""


@dataclass(frozen=True)
class Pairs:
    """All pairs of the sensors of an array."""

    first: Tensor
    """`(pairs,)` number of a sensor"""
    second: Tensor
    apart: Tensor
    """`(pairs, 3)` positions of the first minus those of the second"""

    @classmethod
    def of(cls, positions: Tensor) -> "Pairs":
        """Pairs of sensors at `positions` `(sensors, 3)`."""
        first, second = torch.combinations(torch.arange(len(positions))).unbind(1)
        return cls(first, second, positions[first] - positions[second])


def phases(spectra: Tensor, pairs: Pairs) -> Tensor:
    """Cross-spectra of unit length `(pairs, frames, bins)` of `(sensors, frames, bins)`; 0 of 0."""
    crossed = spectra[pairs.first] * spectra[pairs.second].conj()
    size = crossed.abs()
    return crossed / torch.where(size > 0, size, 1)


def steered(crossed: Tensor, pairs: Pairs, wavenumbers: Tensor, angles: Tensor) -> Tensor:
    """Response `(..., directions)` of summed cross-spectra `(..., pairs, bins)`.

    `angles` `(..., directions, 2)`: azimuth and elevation [rad]; `wavenumbers` `(bins,)`. It is
    the mean over pairs of the sum over bins.
    """
    turned = _turned(crossed, pairs, wavenumbers, angles)
    return turned.real.sum(-1).mean(-1)


def scanned(crossed: Tensor, pairs: Pairs, wavenumbers: Tensor, angles: Tensor) -> Tensor:
    """Responses `(n, directions)` of many cross-spectra `(n, pairs, bins)` to one list of angles.

    As `steered`, in portions of directions that fit into memory; each is steered to once for all.
    """
    found = []
    for part in angles.split(PORTION):
        path = direction(part[:, 0], part[:, 1]) @ pairs.apart.mT
        wave = torch.polar(torch.ones(()).to(path), path[..., None] * -wavenumbers)
        found.append((crossed.flatten(1) @ wave.flatten(1).T).real)
    return torch.cat(found, 1) / crossed.shape[1]


def climb(
    crossed: Tensor, pairs: Pairs, wavenumbers: Tensor, start: Tensor, *, free: Tensor
) -> Tensor:
    """Angles `(..., 2)` of the maximum next to `start`; coordinates that are not `free` stay."""
    angles, damping = start.clone(), torch.full(start.shape[:-1], 1e-3, dtype=start.dtype)
    value = steered(crossed, pairs, wavenumbers, angles[..., None, :])[..., 0]
    for _ in range(STEPS):
        slope, bend = _slope(crossed, pairs, wavenumbers, angles)
        slope = slope * free
        bend = bend * free[:, None] * free + torch.diag(~free).to(bend.dtype)
        scale = bend.diagonal(dim1=-2, dim2=-1)
        damped = bend + torch.diag_embed(damping[..., None] * scale)
        step = torch.linalg.solve(damped, slope)
        tried = angles + step
        new = steered(crossed, pairs, wavenumbers, tried[..., None, :])[..., 0]
        better = new > value
        angles = torch.where(better[..., None], tried, angles)
        value = torch.where(better, new, value)
        damping = damping * torch.where(better, EASIER, HARDER)
        if not bool((better & (step.abs().amax(-1) > 1e-9)).any()):
            break
    return angles


def _turned(crossed: Tensor, pairs: Pairs, wavenumbers: Tensor, angles: Tensor) -> Tensor:
    """Cross-spectra turned back `(..., directions, pairs, bins)`."""
    path = direction(angles[..., 0], angles[..., 1]) @ pairs.apart.mT
    wave = torch.polar(torch.ones(()).to(path), path[..., None] * -wavenumbers)
    return crossed[..., None, :, :] * wave


def _slope(
    crossed: Tensor, pairs: Pairs, wavenumbers: Tensor, angles: Tensor
) -> tuple[Tensor, Tensor]:
    """Gradient `(..., 2)` and the positive part of minus the Hessian `(..., 2, 2)`."""
    turned = _turned(crossed, pairs, wavenumbers, angles[..., None, :])[..., 0, :, :]
    turns = direction_by_azimuth, direction_by_elevation
    ways = torch.stack([turn(angles[..., 0], angles[..., 1]) for turn in turns], -2)
    along = ways @ pairs.apart.mT
    slope = (along * (turned.imag @ wavenumbers)[..., None, :]).mean(-1)
    weight = (turned.real @ wavenumbers.square()).clamp_min(0)
    # As much as if all were weighed by its own mean where nothing points the right way.
    weight = weight + 1e-6 * (turned.abs() @ wavenumbers.square()) + torch.finfo(along.dtype).tiny
    bend = torch.einsum("...ap,...bp,...p->...ab", along, along, weight) / along.shape[-1]
    eye = torch.eye(2, dtype=bend.dtype)
    trace = bend.diagonal(dim1=-2, dim2=-1).sum(-1)[..., None, None]
    return slope, bend + 1e-9 * trace * eye
