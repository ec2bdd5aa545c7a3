"""Locating sources with any array: pursuit and fit, with nothing learned."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from wellposed.dsp.arrays.geometry import aperture
from wellposed.dsp.arrays.sensors import Array
from wellposed.dsp.arrays.wavefront import Coordinate
from wellposed.dsp.doa.chance import penalties, volume
from wellposed.dsp.doa.fitting import LIMITS, Fit, Search, compressed
from wellposed.dsp.doa.grids import Grid
from wellposed.dsp.doa.pursuit import pursue, residuals
from wellposed.errors import DataError
from wellposed.metrics.bounds.fisher import deterministic
from wellposed.systems.locate.found import Found
from wellposed.systems.locate.snapshots import ArrayData

TO_A_BEAM = 2.5
"""Points of the grid to the width of a beam, wavelength / aperture: between them a source shows
less than a tenth of its power less."""
MOST = 200_000
"""Points of a grid; more do not fit into a gigabyte of responses of a hundred sensors."""
FALSE_ALARMS = 0.01
"""Share of scenes in which noise alone may pass for one more source."""

Interval = tuple[float, float]


@dataclass(frozen=True)
class Field:
    """Where sources are looked for; angles [deg], ranges [m]."""

    azimuth_deg: Interval = (-90.0, 90.0)
    elevation_deg: Interval | None = None
    """None: the plane of zero elevation"""
    range_m: Interval | None = None
    """None: far sources"""


def find_on_array(data: ArrayData, field: Field, most: int) -> Found:
    """Locate up to `most` sources by pursuit, azimuth by default.

    A source is told where noise alone would pass for it in one of `FALSE_ALARMS` scenes.

    Raises DataError: more sources than the array can tell, or a grid that is too large.
    """
    array = Array(data.positions, data.wavelength)
    by, limits = _search(field)
    free = 2 * data.number * len(data.positions)
    per_source = len(by) + 2 * data.number
    able = min(len(data.positions) - 1, (free - 1) // per_source)
    if most > able:
        raise DataError(
            f"up to {most} sources of {data.number} snapshots of {len(data.positions)} sensors: "
            f"at most {able} can be told apart from noise; ask for so many, --most {able}"
        )
    given, grid = compressed(data.snapshots), _grid(data, field)
    fits = pursue(array, given, grid, most, Search(by, limits, 60))
    left = residuals(given, fits)
    size, outputs = volume(array, grid, by), len(data.positions)
    chance = penalties(FALSE_ALARMS, outputs, data.number, size, len(by), most)
    count = int((free * left.clamp(min=torch.finfo(left.dtype).tiny).log() + chance).argmin())
    noise = float(left[count]) / max(free / 2 - per_source * count / 2, 1.0)
    if count == 0:
        none = torch.zeros(0, dtype=torch.float64)
        places = fits[0].places
        return Found(
            type(places)(none, none, none), torch.zeros(3, 0), none, noise, True, "pursuit"
        )
    return _found(array, fits[count - 1], by, noise, data)


def _found(
    array: Array, fit: Fit, by: tuple[Coordinate, ...], noise: float, data: ArrayData
) -> Found:
    places = type(fit.places)(*(each.clone() for each in torch.broadcast_tensors(*fit.places)))
    powers = fit.amplitudes @ fit.amplitudes.mH
    power = torch.tensor(noise, dtype=torch.float64)
    fisher = deterministic(array.response(places), array.derivatives(places, by), powers, power)
    known = dict(zip(by, fisher.deviations(len(places.azimuth)), strict=True))
    zero = torch.zeros_like(places.azimuth)
    inverse = known.get("inverse_range", zero)
    # What the curvature is sure of, in metres; infinitely far is no number of metres.
    deviations = torch.stack(
        (known["azimuth"], known.get("elevation", zero), places.range.square() * inverse)
        if "inverse_range" in known
        else (known["azimuth"], known.get("elevation", zero), zero)
    )
    level = 10 * (powers.diagonal().real / data.number / noise).log10()
    return Found(places, deviations, level, noise, bool(fit.converged), "pursuit")


def _search(field: Field) -> tuple[tuple[Coordinate, ...], dict[Coordinate, Interval]]:
    limits: dict[Coordinate, Interval] = {"azimuth": _radians(field.azimuth_deg)}
    if field.elevation_deg is not None:
        limits["elevation"] = _radians(field.elevation_deg)
    if field.range_m is not None:
        near, far = field.range_m
        limits["inverse_range"] = (1 / far, 1 / near)
    widest = {name: LIMITS[name] for name in limits}
    for name, (low, high) in limits.items():
        if not widest[name][0] <= low < high <= widest[name][1]:
            raise DataError(f"{name}: from {low:g} to {high:g} is no interval to look in")
    return tuple(limits), limits


def _grid(data: ArrayData, field: Field) -> Grid:
    size = float(aperture(data.positions))
    step = data.wavelength / max(size, data.wavelength) / TO_A_BEAM
    azimuth = _even(_radians(field.azimuth_deg), step)
    elevation = None if field.elevation_deg is None else _even(_radians(field.elevation_deg), step)
    inverse = None
    if field.range_m is not None:
        # Half a turn at the edge from one curvature to the next.
        near, far = field.range_m
        inverse = _even((1 / far, 1 / near), data.wavelength / (size / 2) ** 2)
    grid = Grid.of(azimuth, elevation, inverse)
    if math.prod(grid.shape) > MOST:
        raise DataError(
            f"a grid of {' x '.join(map(str, grid.shape))} points: narrow what is looked at, with "
            "--azimuth, --elevation and --range"
        )
    return grid


def _even(interval: Interval, step: float) -> Tensor:
    count = max(2, math.ceil((interval[1] - interval[0]) / step) + 1)
    return torch.linspace(*interval, count, dtype=torch.float64)


def _radians(interval: Interval) -> Interval:
    low, high = (math.radians(each) for each in interval)
    return low, high
