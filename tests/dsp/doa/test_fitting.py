"""Fits: exact without noise, at the bound with it."""

import pytest
import torch
from torch.testing import assert_close

from wellposed.dsp.arrays.geometry import line, plane
from wellposed.dsp.arrays.sensors import Array
from wellposed.dsp.arrays.snapshots import correlated
from wellposed.dsp.arrays.wavefront import Coordinate, Places
from wellposed.dsp.doa.counting import count_by_residuals
from wellposed.dsp.doa.fitting import Search, compressed, fit
from wellposed.dsp.doa.grids import Grid
from wellposed.dsp.doa.local import local
from wellposed.dsp.doa.pursuit import pursue, residuals

FLAT = Search(("azimuth", "inverse_range"), {"azimuth": (-1.4, 1.4), "inverse_range": (0.01, 0.5)})


def wide(values) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64)


def white(seed: int, *shape: int) -> torch.Tensor:
    made = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=made, dtype=torch.complex128)


def axis(low: float, high: float, count: int) -> torch.Tensor:
    return torch.linspace(low, high, count, dtype=torch.float64)


ARRAY = Array(line(12, 0.5), 1.0)
PLACES = Places.of(wide([[-0.31, 0.4], [-0.6, 0.1]]), None, wide([[5.3, 9.0], [4.0, 12.0]]))
GRID = Grid.of(axis(-1.3, 1.3, 61), None, axis(0.02, 0.42, 9))


def by_azimuth(places: Places) -> torch.Tensor:
    """Azimuths and ranges `(2, ..., sources)`, sources in order of azimuth."""
    order = places.azimuth.argsort(-1)
    return torch.stack([each.gather(-1, order) for each in (places.azimuth, places.range)])


def test_compressed_snapshots_have_the_same_covariance():
    data = white(0, 3, 5, 40)
    assert compressed(data).shape == (3, 5, 5)
    assert_close(compressed(data) @ compressed(data).mH, data @ data.mH)
    assert compressed(data[..., :4]).shape == (3, 5, 4)


@pytest.mark.parametrize("correlation", [0.0, 1.0])
def test_without_noise_a_start_nearby_ends_at_the_truth(correlation):
    ones = torch.ones(2, dtype=torch.float64)
    sources = correlated(
        white(1, 2, 2, 30), white(2, 2, 1, 30), ones, wide(correlation), wide([0, 1.1])
    )
    data = ARRAY.response(PLACES) @ sources
    start = PLACES._replace(azimuth=PLACES.azimuth + 0.03, range=PLACES.range * 1.1)
    found = fit(ARRAY, data, start, FLAT)
    assert_close(by_azimuth(found.places), by_azimuth(PLACES), rtol=1e-6, atol=1e-7)
    assert (found.residual < 1e-12 * data.abs().square().sum((1, 2))).all()


def test_a_start_with_sources_in_another_order_gives_the_same_places():
    data = ARRAY.response(PLACES) @ white(3, 2, 2, 8) + 0.1 * white(4, 2, 12, 8)
    start = PLACES._replace(azimuth=PLACES.azimuth + 0.02)
    swapped = Places(*(each.flip(-1) for each in start))
    found = [fit(ARRAY, data, each, FLAT) for each in (start, swapped)]
    assert_close(found[0].residual, found[1].residual)
    assert_close(by_azimuth(found[0].places), by_azimuth(found[1].places), rtol=1e-6, atol=1e-6)


def test_two_sources_that_start_at_one_place_stay_finite():
    data = ARRAY.response(PLACES) @ white(5, 2, 2, 4)
    same = Places(*(each[:, [0, 0]] for each in PLACES))
    found = fit(ARRAY, data, same, FLAT)
    for each in (*by_azimuth(found.places), found.residual):
        assert torch.isfinite(each).all()


def test_coordinates_stay_within_their_limits():
    data = ARRAY.response(PLACES) @ white(6, 2, 2, 4)
    narrow = Search(FLAT.by, {"azimuth": (-0.2, 0.2), "inverse_range": (0.3, 0.5)})
    found = fit(ARRAY, data, PLACES, narrow)
    assert (found.places.azimuth.abs() <= 0.2).all()
    assert ((found.places.range >= 2) & (found.places.range <= 1 / 0.3)).all()
    with pytest.raises(ValueError, match="cannot search by range"):
        Search(("range",))


def test_pursuit_finds_coherent_sources_behind_an_operator_from_one_snapshot():
    # 24 numbers of one snapshot through a random operator: a plane, all three coordinates.
    by: tuple[Coordinate, ...] = ("azimuth", "elevation", "inverse_range")
    array = Array(plane(4, 4, 0.5), 1.0).behind(white(7, 24, 16))
    places = Places(wide([-0.5, 0.4]), wide([0.1, -0.2]), wide([2.0, 3.0]))
    data = (
        array.response(places)
        @ (wide([1, 0.8]).to(torch.complex128) * torch.exp(wide([0, 2]) * 1j))[:, None]
    )
    grid = Grid.of(axis(-1, 1, 25), axis(-0.6, 0.6, 13), axis(0.1, 0.9, 5))
    found = pursue(array, data, grid, 3, Search(by, {"inverse_range": (0.05, 1.0)}, steps=100))
    assert_close(by_azimuth(found[1].places), by_azimuth(places), rtol=1e-5, atol=1e-5)
    noisy = data + 0.02 * white(8, 24, 1)
    fits = pursue(array, noisy, grid, 3, Search(by, {"inverse_range": (0.05, 1.0)}))
    assert count_by_residuals(residuals(noisy, fits), 24, 5).item() == 2


def test_single_precision_fits_too():
    data = ARRAY.response(PLACES) @ white(3, 2, 2, 8) + 0.1 * white(4, 2, 12, 8)
    start = PLACES._replace(azimuth=PLACES.azimuth + 0.02)
    double = fit(ARRAY, data, start, FLAT)
    single = fit(ARRAY.to(torch.float32), data.to(torch.complex64), start.to(torch.float32), FLAT)
    assert single.places.azimuth.dtype == torch.float32
    assert_close(single.places.azimuth.double(), double.places.azimuth, rtol=0, atol=1e-4)


def test_slots_without_a_source_change_nothing():
    data = ARRAY.response(PLACES) @ white(3, 2, 2, 8) + 0.1 * white(4, 2, 12, 8)
    start = PLACES._replace(azimuth=PLACES.azimuth + 0.02)
    alone = fit(ARRAY, data, start, FLAT)
    wider = Places(*(torch.cat((each, torch.ones(2, 2).to(each)), -1) for each in start))
    there = torch.tensor([True, True, False, False]).expand(2, -1)
    found = fit(ARRAY, data, wider, FLAT, there)
    assert_close(found.residual, alone.residual)
    assert_close(found.places.azimuth[:, :2], alone.places.azimuth, rtol=0, atol=1e-8)
    assert (found.amplitudes[:, 2:] == 0).all()
    assert_close(found.missed[:, :2], alone.missed)


def test_what_is_missed_without_a_source_is_what_it_explains_beyond_the_others():
    data = ARRAY.response(PLACES) @ white(3, 2, 2, 8) + 0.1 * white(4, 2, 12, 8)
    whole = local(ARRAY, data, PLACES, ())
    assert_close(whole.left.abs().square().sum((-2, -1)), whole.residual)
    for gone in range(2):
        rest = Places(*(each[:, 1 - gone : 2 - gone] for each in PLACES))
        without = local(ARRAY, data, rest, ())
        assert_close(whole.missed[:, gone], without.residual - whole.residual)


def test_slope_and_bend_are_those_of_the_residual():
    data = ARRAY.response(PLACES) @ white(3, 2, 2, 8)[:1] + 0.1 * white(4, 1, 12, 8)
    by: tuple[Coordinate, ...] = ("azimuth", "inverse_range")
    start = torch.stack((PLACES.azimuth[:1] + 0.01, 1 / PLACES.range[:1]), 1).flatten()

    def residual(values):
        azimuth, inverse = values.view(1, 2, 2).unbind(1)
        return local(ARRAY, data, Places(azimuth, 0 * azimuth, 1 / inverse), by).residual[0]

    azimuth, inverse = start.view(1, 2, 2).unbind(1)
    here = local(ARRAY, data, Places(azimuth, 0 * azimuth, 1 / inverse), by)
    slope = torch.autograd.functional.jacobian(residual, start)
    assert_close(2 * here.slope[0], slope, rtol=1e-8, atol=1e-8)
    # Kaufman's matrix leaves out what the amplitudes and the second derivatives do: near the truth
    # and with little noise that is little.
    hessian = torch.autograd.functional.hessian(residual, start)
    assert_close(2 * here.bend[0], hessian, rtol=0.2, atol=0.05 * float(hessian.abs().max()))
