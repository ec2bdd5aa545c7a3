"""Steering vectors of any geometry, and their derivatives in closed form.

With q = 1 / r, sensor x and direction u, rho = d / r = sqrt(1 - 2 q x.u + q^2 |x|^2) and the path
beyond that to the origin is d - r = (q |x|^2 - 2 x.u) / (1 + rho). Nothing large is subtracted and
nothing divided by q, so the exact spherical wave holds from the array out to r = inf, where it
is the plane wave, in single precision too. By the angles d(d - r) = -x.u' / rho, and by q it is
(|x|^2 - (x.u)^2) / (rho (1 - q x.u + rho)).
"""

import math
from collections.abc import Sequence
from typing import Literal, NamedTuple, get_args

import torch
from torch import Tensor

from wellposed.dsp.arrays.geometry import direction, direction_by_azimuth, direction_by_elevation

Model = Literal["exact", "fresnel", "far"]
"""exact: spherical; fresnel: second order in sensor over range; far: plane."""
Coordinate = Literal["azimuth", "elevation", "range", "inverse_range"]


class Places(NamedTuple):
    """Sources in polar coordinates, tensors `(..., sources)` that broadcast."""

    azimuth: Tensor
    """[rad]"""
    elevation: Tensor
    """[rad]"""
    range: Tensor
    """From the origin, in the unit of the sensors; may be inf."""

    @classmethod
    def of(cls, azimuth: Tensor, elevation: Tensor | None = None, range: Tensor | None = None):
        """Places in the plane of zero elevation, or infinitely far, where nothing is given."""
        level = torch.zeros_like(azimuth) if elevation is None else elevation
        return cls(azimuth, level, torch.full_like(azimuth, math.inf) if range is None else range)

    def to(self, dtype: torch.dtype) -> "Places":
        """The same in another precision."""
        return Places(*(each.to(dtype) for each in self))

    def points(self) -> Tensor:
        """Cartesian `(..., sources, 3)`; needs finite ranges."""
        return self.range[..., None] * direction(self.azimuth, self.elevation)


class Path(NamedTuple):
    """Length of the way to each sensor `(..., sensors, sources)`."""

    beyond: Tensor
    """d - r"""
    ratio: Tensor
    """d / r; 1 where the model has no spreading."""


def path(positions: Tensor, places: Places, model: Model = "exact") -> Path:
    """Way from sources to sensors `(..., sensors, 3)`, relative to that to the origin."""
    along, square, inverse = _parts(positions, places)
    if model == "exact":
        ratio = (1 - 2 * inverse * along + inverse.square() * square).sqrt()
        return Path((inverse * square - 2 * along) / (1 + ratio), ratio)
    if model == "fresnel":
        beyond = inverse * (square - along.square()) / 2 - along
    elif model == "far":
        beyond = -along + 0 * inverse
    else:
        raise ValueError(f"wavefront model {model!r}: one of {', '.join(get_args(Model))} wanted")
    return Path(beyond, torch.ones_like(beyond))


def steering(
    positions: Tensor,
    places: Places,
    wavelength: float,
    model: Model = "exact",
    spreading: float = 0.0,
) -> Tensor:
    """Responses `(..., sensors, sources)`, complex; one at the origin.

    `spreading` is g of (r / d)^g: 0 for equal gains, 1 for a point source in free space; only the
    exact model has it.
    """
    _check(model, spreading)
    beyond, ratio = path(positions, places, model)
    gain = ratio**-spreading if spreading else torch.ones_like(ratio)
    return torch.polar(gain, -2 * math.pi / wavelength * beyond)


def steering_derivative(
    positions: Tensor,
    places: Places,
    wavelength: float,
    by: Coordinate,
    model: Model = "exact",
    spreading: float = 0.0,
) -> Tensor:
    """Derivative of `steering` by one coordinate of each source, `(..., sensors, sources)`.

    By range it is 0 at inf; there the inverse range is the coordinate to take.
    """
    response = steering(positions, places, wavelength, model, spreading)
    slope = _path_slope(positions, places, by, model)
    wave = -2j * math.pi / wavelength * slope
    if not spreading:
        return wave * response
    return (wave - spreading * _log_ratio_slope(positions, places, by)) * response


def steering_jet(
    positions: Tensor,
    places: Places,
    wavelength: float,
    by: Sequence[Coordinate],
    model: Model = "exact",
    spreading: float = 0.0,
) -> Tensor:
    """`steering` and its derivatives, `(..., 1 + coordinates, sources, sensors)`.

    The same as one by one, sensors last. Exact waves of equal gains, what a fit mostly asks for,
    share all that they have in common: a quarter of the time of three coordinates.
    """
    if model != "exact" or spreading or "range" in by:
        response = steering(positions, places, wavelength, model, spreading)
        each = [
            steering_derivative(positions, places, wavelength, one, model, spreading) for one in by
        ]
        return torch.stack(torch.broadcast_tensors(response, *each), -3).mT
    angles, inverse = (places.azimuth, places.elevation), (1 / places.range).unsqueeze(-1)
    along = direction(*angles) @ positions.mT
    square = positions.square().sum(-1).unsqueeze(-2)
    ratio = (1 - 2 * inverse * along + inverse.square() * square).sqrt()
    wave = 2 * math.pi / wavelength
    phase = -wave * (inverse * square - 2 * along) / (1 + ratio)
    slopes = []
    for one in by:
        if one == "inverse_range":
            slope = -wave * _path_by_inverse_range(along, square, inverse, model)
        else:
            turn = direction_by_azimuth if one == "azimuth" else direction_by_elevation
            slope = wave / ratio * (turn(*angles) @ positions.mT)
        slopes.append(slope)
    turned = torch.stack(torch.broadcast_tensors(phase, *slopes)[1:], -3)
    # exp(i phase), and i times each slope times that, written part by part: no complex product.
    real, imaginary = phase.cos(), phase.sin()
    made = phase.new_empty(*turned.shape[:-3], 1 + len(by), *phase.shape[-2:], 2)
    made[..., 0, :, :, 0], made[..., 0, :, :, 1] = real, imaginary
    made[..., 1:, :, :, 0] = -turned * imaginary.unsqueeze(-3)
    made[..., 1:, :, :, 1] = turned * real.unsqueeze(-3)
    return torch.view_as_complex(made)


def _check(model: Model, spreading: float) -> None:
    if spreading and model != "exact":
        raise ValueError(
            f"spreading {spreading:g} with the {model} wavefront: only the exact one has gains; "
            "set spreading to 0 or take model 'exact'"
        )


def _parts(positions: Tensor, places: Places) -> tuple[Tensor, Tensor, Tensor]:
    """x.u, |x|^2 and 1 / r, each to be broadcast to `(..., sensors, sources)`."""
    unit = direction(places.azimuth, places.elevation)
    along = positions @ unit.transpose(-1, -2)
    return along, positions.square().sum(-1, keepdim=True), (1 / places.range).unsqueeze(-2)


def _along_slope(positions: Tensor, places: Places, by: Coordinate) -> Tensor:
    turn = direction_by_azimuth if by == "azimuth" else direction_by_elevation
    return positions @ turn(places.azimuth, places.elevation).transpose(-1, -2)


def _path_slope(positions: Tensor, places: Places, by: Coordinate, model: Model) -> Tensor:
    along, square, inverse = _parts(positions, places)
    if by == "range":
        return -inverse.square() * _path_slope(positions, places, "inverse_range", model)
    if by == "inverse_range":
        return _path_by_inverse_range(along, square, inverse, model)
    slope = _along_slope(positions, places, by)
    if model == "exact":
        return -slope / path(positions, places, model).ratio
    return -slope * (1 + inverse * along) if model == "fresnel" else -slope + 0 * inverse


def _path_by_inverse_range(along: Tensor, square: Tensor, inverse: Tensor, model: Model) -> Tensor:
    bent = square - along.square()
    if model == "fresnel":
        return bent / 2 + 0 * inverse
    if model == "far":
        return torch.zeros_like(bent + inverse)
    level = 1 - inverse * along
    ratio = (level.square() + inverse.square() * bent).sqrt()
    if bool((level > 0).all()):
        return bent / (ratio * (level + ratio))
    # Behind a source the first form is 0 / 0 and the second, (rho - level) / q^2 rho, is exact.
    ahead = level > 0
    front = bent / (ratio * torch.where(ahead, level + ratio, 1.0))
    behind = (ratio - level) / (torch.where(ahead, 1.0, inverse).square() * ratio)
    return torch.where(ahead, front, behind)


def _log_ratio_slope(positions: Tensor, places: Places, by: Coordinate) -> Tensor:
    """Slope of log(d / r), exact model."""
    along, square, inverse = _parts(positions, places)
    squared = 1 - 2 * inverse * along + inverse.square() * square
    if by in ("azimuth", "elevation"):
        return -inverse * _along_slope(positions, places, by) / squared
    slope = (inverse * square - along) / squared
    return slope if by == "inverse_range" else -inverse.square() * slope
