"""Spectra against their definitions, and their peaks against the truth."""

import math

import pytest
import torch
from torch.testing import assert_close

from wellposed.dsp.arrays.geometry import circle, line, plane
from wellposed.dsp.arrays.sensors import Array
from wellposed.dsp.arrays.wavefront import Places
from wellposed.dsp.doa.grids import Grid
from wellposed.dsp.doa.mirrors import mirror
from wellposed.dsp.doa.peaks import peaks
from wellposed.dsp.doa.spectra import Candidates, bartlett, forms_by_factor, music, mvdr
from wellposed.dsp.subspace import signal_subspace


def wide(values) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64)


def axis(low: float, high: float, count: int) -> torch.Tensor:
    return torch.linspace(low, high, count, dtype=torch.float64)


def truth(array: Array, places: Places, noise: float = 0.1) -> torch.Tensor:
    """The covariance of white sources of power one."""
    response = array.response(places)
    eye = torch.eye(response.shape[-2], dtype=response.dtype)
    return response @ response.mH + noise * eye


def test_forms_are_those_of_their_definitions():
    made = torch.Generator().manual_seed(0)
    factor = torch.randn(4, 6, 9, dtype=torch.complex128, generator=made)
    covariance = factor @ factor.mH
    array, grid = (
        Array(circle(6, 0.4), 1.0, spreading=1.0),
        Grid.of(axis(-3, 3, 11), None, wide([0.2, 1])),
    )
    response = array.response(grid.places)
    candidates = Candidates(response)
    energy = response.abs().square().sum(0)

    def form(matrix):
        return torch.einsum("ng,bnm,mg->bg", response.conj(), matrix, response).real

    assert_close(bartlett(covariance, candidates), form(covariance) / energy)
    assert_close(forms_by_factor(factor, candidates), form(covariance) / energy)
    assert_close(mvdr(covariance, candidates), energy / form(torch.linalg.inv(covariance)))
    projector = signal_subspace(covariance, 2).projector
    assert_close(music(projector, candidates), form(projector) / energy)


CASES = {
    "azimuth": (
        Array(line(10, 0.5), 1.0),
        Grid.of(axis(-1.5, 1.5, 121)),
        Places.of(wide([-0.5, 0.25])),
    ),
    "azimuth and range": (
        Array(line(15, 0.5), 1.0),
        Grid.of(axis(-1, 1, 41), None, axis(0.05, 0.45, 17)),
        Places.of(wide([-0.5, 0.25]), None, 1 / wide([0.15, 0.3])),
    ),
    "azimuth, elevation and range": (
        Array(plane(5, 5, 0.5), 1.0),
        Grid.of(axis(-1, 1, 17), axis(-0.5, 0.5, 9), axis(0.1, 0.9, 5)),
        Places(wide([-0.5, 0.25]), wide([0.125, -0.25]), 1 / wide([0.3, 0.7])),
    ),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
@pytest.mark.parametrize("method", ["mvdr", "music"])
def test_the_highest_peaks_of_the_true_covariance_are_the_sources(case, method):
    array, grid, places = case
    covariance, candidates = truth(array, places, 0.01), Candidates(array.response(grid.places))
    if method == "mvdr":
        spectrum = mvdr(covariance, candidates)
    else:
        spectrum = music(signal_subspace(covariance, 2).projector, candidates)
    found = peaks(spectrum, grid.shape, 2)
    assert found.real.all()
    there = torch.stack(tuple(grid.at(found.index)))
    there = there[:, there[0].argsort()]
    assert_close(there.nan_to_num(posinf=9), torch.stack(tuple(places)).nan_to_num(posinf=9))


def test_one_source_has_its_power_in_bartletts_spectrum():
    array, grid = Array(line(8, 0.5), 1.0), Grid.of(axis(-1, 1, 41))
    covariance = 3 * truth(array, Places.of(wide([0.2])), 0.0)
    spectrum = bartlett(covariance, Candidates(array.response(grid.places)))
    assert spectrum.argmax() == 24
    # a^H (p a a^H) a / a^H a = p N: the power at the output of the matched filter of length N.
    assert spectrum.max().item() == pytest.approx(3 * 8)


def test_single_precision_finds_the_same_peaks():
    array, grid, places = CASES["azimuth and range"]
    narrow = Candidates(array.response(grid.places).to(torch.complex64))
    projector = signal_subspace(truth(array, places).to(torch.complex64), 2).projector
    double = music(
        signal_subspace(truth(array, places), 2).projector, Candidates(array.response(grid.places))
    )
    assert_close(music(projector, narrow).double(), double, rtol=0, atol=1e-5)


def test_mvdr_refuses_a_covariance_without_an_inverse_and_loading_gives_it_one():
    array, grid, places = CASES["azimuth"]
    singular, candidates = truth(array, places, 0.0), Candidates(array.response(grid.places))
    with pytest.raises(ValueError, match="1 of 1 covariances have no inverse"):
        mvdr(singular, candidates)
    loaded = mvdr(singular, candidates, loading=0.01)
    mean = singular.diagonal().real.mean() * torch.eye(10)
    assert_close(loaded, mvdr(singular + 0.01 * mean, candidates))


def test_peaks_are_local_maxima_in_two_dimensions():
    hills = torch.zeros(5, 6)
    hills[1, 1], hills[1, 2], hills[3, 4], hills[4, 0] = 3, 2, 2.5, 1
    found = peaks(hills.flatten(), (5, 6), 4)
    assert found.index[:3].tolist() == [7, 22, 24]
    assert found.value[:3].tolist() == [3, 2.5, 1]
    assert found.real[:3].all()


def test_an_axis_may_close_on_itself():
    ring = torch.tensor([5.0, 1, 2, 1, 4])
    assert peaks(ring, (5,), 2).index.tolist() == [0, 4]
    closed = peaks(ring, (5,), 3, wrapped=(0,))
    assert closed.index.tolist() == [0, 2, 4]
    assert closed.real.tolist() == [True, True, False]


def test_inverse_range_zero_is_infinitely_far():
    grid = Grid.of(wide([0.1, 0.2]), None, wide([0, 0.5]))
    assert grid.places.range.tolist() == [math.inf, 2, math.inf, 2]
    assert grid.at(torch.tensor([3])).azimuth.tolist() == [0.2]


@pytest.mark.parametrize(
    ("positions", "count"), [(line(6, 0.5), 8), (line(5, 0.5), 9), (plane(3, 2, 0.5), 9)]
)
def test_a_mirrored_grid_gives_the_same_spectrum(positions, count):
    array = Array(positions, 1.0, spreading=1.0)
    grid = Grid.of(axis(-1, 1, count), axis(-0.5, 0.7, 3), wide([0, 0.2, 0.7]))
    found = mirror(array, grid)
    assert found is not None
    made = torch.Generator().manual_seed(0)
    factor = torch.randn(2, 3, *[len(positions)] * 2, dtype=torch.complex128, generator=made)
    covariance, response = factor @ factor.mH, array.response(grid.places)
    wanted = bartlett(covariance, Candidates(response))
    assert_close(bartlett(covariance, Candidates(response, found)), wanted)


def test_what_has_no_mirror_image_is_left_alone():
    even, grid = Array(line(4, 0.5), 1.0), Grid.of(axis(-1, 1, 5))
    assert mirror(even, grid) is not None
    assert mirror(even, Grid.of(axis(-1, 1.1, 5))) is None
    assert mirror(Array(line(4, 0.5) + 0.1, 1.0), grid) is None
    assert mirror(even.behind(torch.eye(4, dtype=torch.complex128)), grid) is None
