"""Losses on waveforms: closed forms for tones, silence and the cap."""

import math

import pytest
import torch

from wellposed.losses.waveform import neg_snr_db, waveform_l1

TURN = 2 * math.pi * 25 * torch.arange(1000, dtype=torch.float64) / 1000
TONE, QUADRATURE = torch.sin(TURN)[None], torch.cos(TURN)[None]


def test_quadrature_noise_at_a_tenth_of_the_power_costs_minus_10_db():
    # 10 log10(0.1 + the cap's 0.001), the floor of 1e-10 beside a power of 0.5 apart.
    value = neg_snr_db(TONE + 0.1**0.5 * QUADRATURE, TONE).item()
    assert value == pytest.approx(10 * math.log10(0.101), abs=1e-8)
    assert neg_snr_db(TONE + 0.1**0.5 * QUADRATURE, TONE, 90).item() == pytest.approx(-10, abs=1e-6)


@pytest.mark.parametrize("cap_db", [10.0, 30.0, 60.0])
def test_an_exact_estimate_reaches_the_cap(cap_db: float):
    assert neg_snr_db(TONE, TONE, cap_db).item() == pytest.approx(-cap_db, abs=1e-9)


def test_a_silent_estimate_has_0_db():
    assert neg_snr_db(0 * TONE, TONE, 90).item() == pytest.approx(0.0, abs=1e-8)


@pytest.mark.parametrize("gain", [0.1, 0.5, 2.0, 10.0])
def test_a_wrong_level_costs_the_square_of_its_excess(gain: float):
    wanted = 10 * math.log10((gain - 1) ** 2 + 1e-3)
    assert neg_snr_db(gain * TONE, TONE).item() == pytest.approx(wanted, abs=1e-6)


def test_against_a_silent_reference_a_quieter_estimate_scores_better():
    # Error and reference both against the floor of 1e-10: 10 log10(level ** 2 / 2 / 1e-10 + 1e-3).
    values = [neg_snr_db(level * TONE, 0 * TONE).item() for level in (1.0, 1e-2, 1e-4, 0.0)]
    wanted = [10 * math.log10(level**2 / 2 / 1e-10 + 1e-3) for level in (1.0, 1e-2, 1e-4, 0.0)]
    assert values == pytest.approx(wanted, abs=1e-9)
    assert values == sorted(values, reverse=True)


def test_l1_is_the_mean_absolute_difference():
    estimate = torch.tensor([[1.0, -2.0, 3.0, 0.0], [0.0, 0.0, 0.0, 0.0]])
    reference = torch.tensor([[0.0, -1.0, 3.0, 2.0], [0.0, 0.0, 0.0, 0.0]])
    assert waveform_l1(estimate, reference).tolist() == [1.0, 0.0]


def test_l1_of_a_sine_at_the_wrong_level_is_two_over_pi_of_the_excess():
    # The mean of |sin| over whole periods is 2 / pi; 40 samples a period come within 0.3 %.
    assert waveform_l1(0.3 * TONE, TONE).item() == pytest.approx(0.7 * 2 / math.pi, rel=3e-3)
