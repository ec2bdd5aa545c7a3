"""Phase losses: closed forms, what moves them, slopes that stay bounded where `angle` breaks."""

import math

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from wellposed.losses.phase import FLOOR, group_delay, instantaneous_frequency, phase

ALL = (phase, group_delay, instantaneous_frequency)


def spectra(seed: int = 0) -> Tensor:
    made = torch.Generator().manual_seed(seed)
    return torch.randn(2, 10, 16, generator=made, dtype=torch.complex128)


def turned(z: Tensor, angle: Tensor | float) -> Tensor:
    angle = torch.as_tensor(angle, dtype=torch.float64)
    return z * torch.polar(torch.ones_like(angle), angle)


@pytest.mark.parametrize("angle", [0.3, -2.0, math.pi, 2 * math.pi - 0.3])
def test_a_turn_of_all_bins_costs_one_minus_its_cosine_and_moves_no_difference(angle: float):
    # Unit magnitudes, so that by hand: weight w = (1 + f)^0.15 - f^0.15, |u|^2 = 1 / (1 + f).
    z = spectra() / spectra().abs()
    weight = (1 + FLOOR) ** 0.15 - FLOOR**0.15
    wanted = weight * (1 - math.cos(angle)) / (1 + FLOOR)
    assert_close(phase(turned(z, angle), z), torch.full((2,), wanted, dtype=torch.float64))
    for loss in (group_delay, instantaneous_frequency):
        assert_close(loss(turned(z, angle), z), torch.zeros(2, dtype=torch.float64))


def test_a_phase_that_grows_along_frequency_is_a_delay_and_along_time_another_pitch():
    z = spectra() / spectra().abs()
    weight = (1 + FLOOR) ** 0.15 - FLOOR**0.15
    wanted = torch.full((2,), weight * (1 - math.cos(0.4)) / (1 + FLOOR) ** 2, dtype=torch.float64)
    along_bins = turned(z, 0.4 * torch.arange(16.0)[None, None])
    along_frames = turned(z, 0.4 * torch.arange(10.0)[None, :, None])
    assert_close(group_delay(along_bins, z), wanted)
    assert_close(instantaneous_frequency(along_frames, z), wanted)
    assert (group_delay(along_frames, z) < 1e-12).all()
    assert (instantaneous_frequency(along_bins, z) < 1e-12).all()


@pytest.mark.parametrize("loss", ALL)
def test_a_silent_reference_asks_nothing_of_the_phase(loss):
    estimate = spectra().requires_grad_()
    value = loss(estimate, torch.zeros_like(estimate))
    value.sum().backward()
    assert torch.equal(value, torch.zeros_like(value))
    assert estimate.grad is not None
    assert not estimate.grad.any()


@pytest.mark.parametrize("loss", ALL)
@pytest.mark.parametrize("dtype", [torch.complex64, torch.complex128])
@pytest.mark.parametrize("size", [0.0, 1e-38, 1e-20, 1e-8, 1.0])
def test_the_slope_is_bounded_at_and_near_zero(loss, dtype, size: float):
    estimate = (size * spectra(1)).to(dtype).requires_grad_()
    reference = spectra(2).to(dtype)
    loss(estimate, reference).sum().backward()
    assert estimate.grad is not None
    slopes = torch.view_as_real(estimate.grad)
    assert slopes.isfinite().all()
    # A bin is in two steps; each pulls with its weight (below 2 here) times FLOOR ** -0.5.
    assert slopes.abs().max() * estimate[0].numel() < 2 * 2 * FLOOR**-0.5


def test_the_slope_of_angle_is_not_finite_there():
    z = torch.full((1,), 1e-30 + 0j, dtype=torch.complex64).requires_grad_()
    z.angle().sum().backward()
    assert z.grad is not None
    assert not torch.view_as_real(z.grad).isfinite().all()


def test_bins_count_by_the_weights_that_are_given():
    first, second = spectra(1), spectra(2)
    weights = torch.linspace(0, 2, 16, dtype=torch.float64)
    halves = torch.zeros(16, dtype=torch.float64)
    halves[:8] = 1
    whole = phase(first, second, weights=weights)
    low = phase(first, second, weights=weights * halves)
    assert_close(low + phase(first, second, weights=weights * (1 - halves)), whole)


@pytest.mark.parametrize("loss", ALL)
def test_a_single_frame_and_a_single_bin_have_a_value(loss):
    z, other = spectra(1)[:, :1, :1], spectra(2)[:, :1, :1]
    assert loss(z, other).isfinite().all()
