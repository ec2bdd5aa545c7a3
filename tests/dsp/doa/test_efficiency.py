"""Monte Carlo: refined estimates reach the Cramer-Rao bound and do not pass it.

Within 10 % above and not below, either up to three deviations of so few runs; a longer run is
`benchmarks/locate_ratios.py`.
"""

import math

import pytest
import torch

from wellposed.dsp.arrays.geometry import line
from wellposed.dsp.arrays.sensors import Array
from wellposed.dsp.arrays.snapshots import correlated, sample_covariance
from wellposed.dsp.arrays.wavefront import Coordinate, Places
from wellposed.dsp.doa.fitting import Search, fit
from wellposed.dsp.doa.grids import Grid
from wellposed.dsp.doa.lines import root_music
from wellposed.dsp.doa.peaks import peaks
from wellposed.dsp.doa.pursuit import pursue
from wellposed.dsp.doa.spectra import Candidates, music
from wellposed.dsp.subspace import signal_subspace
from wellposed.metrics.bounds.efficiency import Efficiency, efficiency
from wellposed.metrics.bounds.fisher import deterministic

RUNS, SNAPSHOTS = 150, 100
BOTH: tuple[Coordinate, Coordinate] = ("azimuth", "range")
ARRAY = Array(line(15, 0.5), 1.0)
# Neither lies on a grid point.
PLACES = Places.of(
    torch.deg2rad(torch.tensor([-10.3, 15.2], dtype=torch.float64)),
    None,
    torch.tensor([12.1, 19.7], dtype=torch.float64),
)
SEARCH = Search(("azimuth", "inverse_range"), {"azimuth": (-1.5, 1.5), "inverse_range": (0, 0.5)})


def axis(low: float, high: float, count: int) -> torch.Tensor:
    return torch.linspace(low, high, count, dtype=torch.float64)


GRID = Grid.of(torch.deg2rad(axis(-60, 60, 121)), None, axis(0.01, 0.4, 14))


def white(made: torch.Generator, *shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=made, dtype=torch.complex128)


def scenes(snr_db: float, correlation: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Snapshots `(runs, sensors, snapshots)` and sources; random phases in every run."""
    made = torch.Generator().manual_seed(round(snr_db) + round(10 * correlation))
    phase = 6.3 * torch.rand(RUNS, 2, generator=made, dtype=torch.float64)
    own, shared = white(made, RUNS, 2, SNAPSHOTS), white(made, RUNS, 1, SNAPSHOTS)
    rho = torch.tensor(correlation, dtype=torch.float64)
    sources = correlated(own, shared, torch.ones_like(phase), rho, phase)
    noise = 10 ** (-snr_db / 20) * white(made, RUNS, 15, SNAPSHOTS)
    return ARRAY.response(PLACES) @ sources + noise, sources


def check(found: Places, sources: torch.Tensor, snr_db: float) -> None:
    """Both coordinates at the bound."""
    response, slopes = ARRAY.response(PLACES), ARRAY.derivatives(PLACES, BOTH)
    noise = torch.full((RUNS,), 10 ** (-snr_db / 10), dtype=torch.float64)
    bound = deterministic(response, slopes, sources @ sources.mH, noise).deviations(2).square()
    errors = torch.stack((found.azimuth - PLACES.azimuth, found.range - PLACES.range), 1)
    for index in range(2):
        at_the_bound(efficiency(errors[:, index], bound[:, index]))


def at_the_bound(each: Efficiency) -> None:
    assert 1 - 3 * each.spread <= each.ratio <= 1.1 + 3 * each.spread, each


@pytest.mark.parametrize(("snr_db", "correlation"), [(5, 0.0), (10, 1.0)])
def test_pursuit_reaches_the_bound_whatever_the_correlation(snr_db, correlation):
    data, sources = scenes(snr_db, correlation)
    found = pursue(ARRAY, data, GRID, 2, SEARCH)[-1].places
    check(sorted_places(found), sources, snr_db)


def test_music_on_a_grid_reaches_the_bound_once_it_is_refined():
    data, sources = scenes(5, 0.0)
    projector = signal_subspace(sample_covariance(data), 2).projector
    spectrum = music(projector, Candidates(ARRAY.response(GRID.places)))
    start = sorted_places(GRID.at(peaks(spectrum, GRID.shape, 2).index))
    # The grid alone: 0.3 degrees of quantisation where 0.04 are possible.
    grid = efficiency(start.azimuth - PLACES.azimuth, torch.tensor(math.radians(0.046) ** 2))
    assert grid.ratio > 3
    check(sorted_places(fit(ARRAY, data, start, SEARCH).places), sources, 5)


def test_root_music_of_far_sources_comes_near_the_bound_by_itself():
    array, azimuth = ARRAY.at("far"), torch.tensor([-0.18, 0.27], dtype=torch.float64)
    made = torch.Generator().manual_seed(0)
    sources = white(made, RUNS, 2, SNAPSHOTS)
    far = Places.of(azimuth)
    noise = torch.full((RUNS,), 10**-0.5, dtype=torch.float64)
    data = array.response(far) @ sources + 10**-0.25 * white(made, RUNS, 15, SNAPSHOTS)
    projector = signal_subspace(sample_covariance(data), 2).projector
    found = root_music(projector, 2, 0.5, 1.0)
    slopes = array.derivatives(far, ("azimuth",))
    bound = deterministic(array.response(far), slopes, sources @ sources.mH, noise).deviations(2)[
        :, 0
    ]
    at_the_bound(efficiency(found - azimuth, bound.square()))
    refined = fit(array, data, Places.of(found), Search()).places.azimuth
    at_the_bound(efficiency(refined - azimuth, bound.square()))


def sorted_places(places: Places) -> Places:
    order = places.azimuth.argsort(-1)
    return Places(*(each.expand_as(order).gather(-1, order) for each in places))
