"""Compressed spectra: closed forms for scaled, turned and silent spectra."""

import cmath
import math

import pytest
import torch
from torch.testing import assert_close

from wellposed.losses.compressed import (
    EXPONENT,
    FLOOR,
    compressed_complex,
    compressed_magnitude,
)

UNIT = torch.polar(
    torch.ones(1, 6, 9, dtype=torch.float64),
    6.28 * torch.rand(1, 6, 9, generator=torch.Generator().manual_seed(0), dtype=torch.float64),
)
"""Magnitude one everywhere, with phases from everywhere."""


@pytest.mark.parametrize("gain", [0.0, 1e-3, 0.1, 0.5, 2.0, 30.0])
@pytest.mark.parametrize("exponent", [0.3, 0.5, 1.0])
def test_the_complex_distance_of_a_scaled_spectrum_has_a_closed_form(gain: float, exponent: float):
    def compress(magnitude: float) -> float:
        return magnitude * (magnitude**2 + FLOOR) ** ((exponent - 1) / 2)

    value = compressed_complex(gain * UNIT, UNIT, exponent).item()
    assert value == pytest.approx((compress(gain) - compress(1)) ** 2, rel=1e-9)
    # Far above the floor that is (gain ** exponent - 1) ** 2.
    if gain >= 0.1:
        assert value == pytest.approx((gain**exponent - 1) ** 2, abs=1e-3)


@pytest.mark.parametrize("gain", [0.0, 1e-3, 0.1, 0.5, 2.0, 30.0])
def test_the_magnitude_distance_of_a_scaled_spectrum_has_a_closed_form(gain: float):
    first = (gain**2 + FLOOR) ** (EXPONENT / 2)
    second = (1 + FLOOR) ** (EXPONENT / 2)
    value = compressed_magnitude(gain * UNIT, UNIT).item()
    assert value == pytest.approx((first - second) ** 2, rel=1e-9)
    if gain >= 0.1:
        assert value == pytest.approx((gain**EXPONENT - 1) ** 2, abs=1e-3)


@pytest.mark.parametrize("turn", [0.1, 1.0, math.pi / 2, math.pi])
def test_a_turned_spectrum_costs_the_square_of_its_chord_and_no_magnitude(turn: float):
    turned = cmath.rect(1.0, turn) * UNIT
    chord = 2 * math.sin(turn / 2)
    assert compressed_complex(turned, UNIT).item() == pytest.approx(chord**2, rel=1e-5)
    assert compressed_magnitude(turned, UNIT).item() == pytest.approx(0.0, abs=1e-24)


def test_the_value_is_the_mean_over_all_bins_of_an_example():
    # One of 54 bins is silenced: the 54th part of silencing all.
    estimate = UNIT.clone()
    estimate[0, 2, 3] = 0
    for loss in (compressed_complex, compressed_magnitude):
        assert_close(loss(estimate, UNIT), loss(0 * UNIT, UNIT) / 54)
        # ... and any shape behind the first axis is one example.
        assert_close(
            loss(estimate.reshape(1, 2, 3, 9), UNIT.reshape(1, 2, 3, 9)), loss(estimate, UNIT)
        )


def test_the_slope_at_silence_is_bounded_as_the_floor_says():
    # d/dz (z - 0) * FLOOR ** ((p - 1) / 2) at 0; the squared distance to a reference r has slope
    # 2 * |compressed r| * that. At |r| = 1: 2 * 126.
    estimate = torch.zeros_like(UNIT).requires_grad_()
    compressed_complex(estimate, UNIT).sum().backward()
    slope = FLOOR ** ((EXPONENT - 1) / 2)
    assert slope == pytest.approx(126, abs=0.2)
    assert estimate.grad is not None
    assert_close(estimate.grad.abs(), torch.full_like(UNIT.real, 2 * slope / 54), rtol=1e-5, atol=0)


def test_weights_count_frequencies_and_equal_ones_change_nothing():
    estimate = 0.5 * UNIT
    estimate[..., 3] = 0
    weights = torch.zeros(9, dtype=torch.float64)
    weights[3] = 9
    for loss in (compressed_complex, compressed_magnitude):
        assert_close(loss(estimate, UNIT, weights=weights), loss(0 * UNIT, UNIT))
        assert_close(loss(estimate, UNIT, weights=torch.ones(9)), loss(estimate, UNIT))
