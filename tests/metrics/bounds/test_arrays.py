"""Bounds of plain arrays: the full Fisher information, closed forms, tabled values."""

import math
from collections.abc import Sequence

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from wellposed.dsp.arrays.geometry import line, plane
from wellposed.dsp.arrays.sensors import Array
from wellposed.dsp.arrays.wavefront import Coordinate, Places
from wellposed.metrics.bounds.closed import azimuth_variance, range_variance, stochastic_loss
from wellposed.metrics.bounds.efficiency import CHI_SQUARE_MEDIAN, efficiency, ratio_interval
from wellposed.metrics.bounds.fisher import cartesian, deterministic, stochastic
from wellposed.metrics.bounds.gaussian import reduced, slepian_bangs
from wellposed.metrics.bounds.identifiability import identifiability

BOTH: tuple[Coordinate, Coordinate] = ("azimuth", "range")
NEAR = Places(
    *(torch.tensor(row, dtype=torch.float64) for row in ([-0.2, 0.5], [0, 0], [3.0, 5.0]))
)
ARRAY = Array(line(6, 0.5), 1.0)


def wide(values) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64)


def white(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(3), dtype=torch.complex128)


def response_of(flat: torch.Tensor, array: Array = ARRAY) -> torch.Tensor:
    azimuth, distance = flat[:2], flat[2:4]
    return array.response(Places(azimuth, torch.zeros_like(azimuth), distance))


def seen(
    array: Array, places: Places, by: Sequence[Coordinate] = BOTH
) -> tuple[torch.Tensor, torch.Tensor]:
    return array.response(places), array.derivatives(places, by)


def test_the_deterministic_bound_is_that_of_the_full_information_on_places_and_amplitudes():
    sources, noise = white(2, 3), 0.4
    point = torch.cat((NEAR.azimuth, NEAR.range, torch.view_as_real(sources).flatten()))

    def mean(flat):
        amplitudes = torch.view_as_complex(flat[4:].reshape(2, 3, 2))
        return torch.view_as_real(response_of(flat) @ amplitudes).flatten()

    jacobian = torch.func.jacrev(mean)(point)
    whole = torch.linalg.inv(2 / noise * jacobian.T @ jacobian)[:4, :4]
    found = deterministic(*seen(ARRAY, NEAR), sources @ sources.mH, wide(noise))
    assert_close(found.bound(), whole, rtol=1e-10, atol=0)
    assert_close(found.scale, (2 / noise * jacobian.T @ jacobian).diagonal()[:4])


@pytest.mark.parametrize("rho", [0.0, 0.5, 0.9 - 0.3j])
def test_the_stochastic_bound_is_that_of_slepian_and_bangs_over_all_unknowns(rho):
    powers = torch.tensor([[2.0, rho], [complex(rho).conjugate(), 1.0]], dtype=torch.complex128)
    noise, snapshots = 0.4, 7
    eye = torch.eye(6, dtype=torch.complex128)

    def covariance(flat):
        cross = torch.complex(flat[6], flat[7])
        inner = torch.stack(
            (torch.complex(flat[4], 0 * flat[4]), cross, cross.conj(), flat[5] + 0j)
        )
        response = response_of(flat)
        return torch.view_as_real(response @ inner.view(2, 2) @ response.mH + flat[8] * eye)

    point = torch.cat(
        (NEAR.azimuth, NEAR.range, wide([2, 1, powers[0, 1].real, powers[0, 1].imag, noise]))
    )
    slopes = torch.view_as_complex(torch.func.jacrev(covariance)(point).movedim(-1, 0).contiguous())
    value = torch.view_as_complex(covariance(point))
    whole = snapshots * slepian_bangs(value[None], slopes[None])
    direct = torch.linalg.inv(value)
    by_hand = (direct @ slopes[0] @ direct @ slopes[5]).diagonal().sum().real
    assert_close(whole[0, 5], snapshots * by_hand)
    found = stochastic(*seen(ARRAY, NEAR), powers, wide(noise), snapshots).bound()
    assert_close(found, torch.linalg.inv(whole)[:4, :4], rtol=1e-8, atol=0)
    assert_close(found, reduced(whole, 4).bound(), rtol=1e-8, atol=0)


@pytest.mark.parametrize("azimuth", [0.0, 0.6, -1.1])
def test_one_far_source_before_a_line_has_the_closed_form(azimuth):
    array, here = Array(line(20, 0.15), 0.3, "far"), Places.of(wide([azimuth]))
    power, noise = torch.ones(1, 1, dtype=torch.complex128), wide(0.25)
    wanted = azimuth_variance(20, 0.15, 0.3, 4, 16, azimuth)
    response, slopes = seen(array, here, ("azimuth",))
    assert deterministic(response, slopes, 16 * power, noise).bound().item() == pytest.approx(
        wanted
    )
    found = stochastic(response, slopes, power, noise, 16).bound().item()
    assert found == pytest.approx(wanted * stochastic_loss(20, 4))


@pytest.mark.parametrize("azimuth", [0.0, 0.6])
def test_one_source_in_the_fresnel_zone_has_the_closed_form(azimuth):
    array = Array(line(15, 0.5), 1.0, "fresnel")
    here = Places.of(wide([azimuth]), None, wide([15.0]))
    found = deterministic(
        *seen(array, here), 100 * torch.ones(1, 1).to(torch.complex128), wide(0.1)
    )
    wanted = (
        azimuth_variance(15, 0.5, 1, 10, 100, azimuth),
        range_variance(15, 0.5, 1, 10, 100, azimuth, 15),
    )
    assert found.bound().diagonal().tolist() == pytest.approx(wanted, rel=1e-10)


@pytest.mark.parametrize(
    ("snr_db", "deg", "metres", "deg_stochastic", "metres_stochastic"),
    [
        (-10, 0.2605, 1.481, 0.3365, 1.914),
        (-5, 0.1465, 0.833, 0.1613, 0.917),
        (0, 0.0824, 0.468, 0.0851, 0.484),
        (10, 0.0261, 0.148, 0.0261, 0.149),
        (20, 0.0082, 0.047, 0.0082, 0.047),
    ],
)
def test_two_near_sources_have_the_tabled_bounds(
    snr_db, deg, metres, deg_stochastic, metres_stochastic
):
    # 15 sensors, half a wavelength, 100 snapshots; an independent computation, rounded.
    array = Array(line(15, 0.5), 1.0)
    here = Places.of(torch.deg2rad(wide([-10, 15])), None, wide([12, 20]))
    power, noise = torch.eye(2).to(torch.complex128), wide(10 ** (-snr_db / 10))
    each = [
        deterministic(*seen(array, here), 100 * power, noise),
        stochastic(*seen(array, here), power, noise, 100),
    ]
    for fisher, wanted in zip(
        each, ((deg, metres), (deg_stochastic, metres_stochastic)), strict=True
    ):
        root = fisher.deviations(2).square().mean(-1).sqrt()
        assert math.degrees(root[0]) == pytest.approx(wanted[0], abs=6e-5)
        assert root[1].item() == pytest.approx(wanted[1], abs=6e-4)


def test_batched_bounds_are_those_of_each_scene():
    many = Places(*(torch.stack((each, each + 0.1)) for each in NEAR))
    power, noise = 5 * torch.eye(2).to(torch.complex128), wide([0.3, 0.7])
    both = deterministic(*seen(ARRAY, many), power.expand(2, 2, 2), noise).bound()
    one = deterministic(*seen(ARRAY, Places(*(each[1] for each in many))), power, noise[1]).bound()
    assert_close(both[1], one)


def test_a_point_has_the_bound_of_its_coordinates():
    array = Array(plane(5, 4, 0.5), 1.0)
    here = Places(wide([0.2, -0.5]), wide([0.1, 0.3]), wide([4, 6]))
    by: tuple[Coordinate, ...] = ("azimuth", "elevation", "range")
    bound = deterministic(
        *seen(array, here, by), torch.eye(2).to(torch.complex128), wide(0.1)
    ).bound()

    def point(flat):
        return Places(*flat).points()

    jacobian = torch.func.jacrev(point)(torch.stack(tuple(here)))
    slopes = torch.stack([jacobian[k, :, :, k] for k in range(2)])
    found = cartesian(bound, slopes)
    whole = torch.cat([jacobian[k].flatten(1) for k in range(2)])
    assert_close(
        torch.block_diag(*found),
        torch.block_diag(*(whole @ bound @ whole.T).view(2, 3, 2, 3)[[0, 1], :, [0, 1]]),
    )


def test_sources_at_one_place_have_no_bound():
    twice = Places(*(each[[0, 0]] for each in NEAR))
    fisher = deterministic(*seen(ARRAY, twice), torch.ones(2, 2).to(torch.complex128), wide(1.0))
    assert fisher.rank() < 4
    assert fisher.bound().isinf().all()


def test_a_far_field_model_says_that_it_knows_no_range():
    # A FIM of pure rounding, beside its own eigenvalues, would look innocent.
    def observe(flat):
        places = Places.of(flat[:1], None, flat[1:2])
        response = ARRAY.at("far" if far else "exact").response(places)
        return response[:, 0] * torch.view_as_complex(flat[2:4])

    point = wide([0.3, 4.0, 0.8, 0.2])
    far = False
    good = identifiability(observe, point, 2)
    assert good.sufficient
    assert (good.measurements, good.unknowns, good.rank) == (12, 4, 4)
    far = True
    bad = identifiability(observe, point, 2)
    assert (bad.rank, bad.wanted_rank, bad.condition) == (3, 1, math.inf)
    assert "NOT determined" in str(bad)


def test_efficient_errors_have_a_ratio_of_one_within_its_spread():
    variance = 10 ** torch.linspace(-3, 1, 4000, dtype=torch.float64)
    made = torch.Generator().manual_seed(0)
    errors = variance.sqrt() * torch.randn(4000, generator=made, dtype=torch.float64)
    found = efficiency(errors, variance)
    assert abs(found.ratio - 1) < 3 * found.spread
    assert found.median == pytest.approx(CHI_SQUARE_MEDIAN, abs=0.05)
    even = efficiency(torch.full((10,), 2.0), torch.tensor(4.0))
    assert (even.ratio, even.spread) == (1.0, 0.0)
    with pytest.raises(ValueError, match="1 of 2 bounds are not finite"):
        efficiency(torch.ones(2), torch.tensor([1.0, math.inf]))


def test_intervals_of_a_ratio_hold_it_as_often_as_they_say():
    generator = np.random.default_rng(0)
    held = 0
    for _ in range(100):
        # Forty scenes of two sources, errors of a scene alike: drawn one by one they would seem
        # twice as many.
        allowed = generator.uniform(0.5, 2.0, 40)
        errors = 1.2 * np.sqrt(allowed) * generator.standard_normal(40)
        error, bound = (torch.from_numpy(np.repeat(each, 2)) for each in (errors, allowed))
        scenes = torch.arange(40).repeat_interleave(2)
        low, high = ratio_interval(error, bound, scenes, generator)
        held += low <= 1.2 <= high
    assert 83 <= held <= 100
    one = torch.ones(4)
    assert all(math.isnan(each) for each in ratio_interval(one, one, 0 * one, generator))
