"""The rate-distortion reference against closed forms, the formula of the MDCT, and real speech."""

import csv
from pathlib import Path

import numpy as np
import pytest
import soundfile

from wellposed.metrics.distortion_rate import (
    _frames,
    mdct,
    reference_curve,
    snr_constant_db,
    snr_variable_db,
    variances,
)

BIT_DB = 20 * np.log10(2)


def test_a_flat_spectrum_gains_six_decibels_a_bit() -> None:
    v = np.full((7, 320), 0.25)
    for bits in (0.25, 1.0, 3.5):
        assert snr_constant_db(v, 320 * bits) == pytest.approx(BIT_DB * bits)
        assert snr_variable_db(v, 320 * bits) == pytest.approx(BIT_DB * bits)


def test_a_single_coefficient_gets_all_bits_until_the_floor_is_reached() -> None:
    v = np.full((1, 320), 1e-16)
    v[0, 40] = 1.0
    for bits in (0, 1, 5, 15):
        assert snr_constant_db(v, bits) == pytest.approx(BIT_DB * bits, abs=1e-3)
    # At 27 bits the tone is down at 2^-54, below the floor, and 319 coefficients share in.
    assert snr_constant_db(v, 27) < BIT_DB * 27


def test_two_levels_have_the_distortion_of_the_closed_form() -> None:
    v = np.concatenate([np.full(100, 4.0), np.full(220, 1.0)])[None]
    # Up to 100 bits (theta = 1) the upper level alone is coded: theta = 4 * 2^(-2 bits / 100).
    theta = 4 * 2 ** (-2 * 60 / 100)
    assert snr_constant_db(v, 60) == pytest.approx(10 * np.log10(620 / (100 * theta + 220)))
    # Beyond, all 320 share what is left.
    theta = 2 ** (-2 * (500 - 100) / 320)
    assert snr_constant_db(v, 500) == pytest.approx(10 * np.log10(620 / (320 * theta)))


def test_no_bits_give_no_signal() -> None:
    v = np.random.default_rng(0).uniform(0.1, 1, (3, 20))
    assert snr_constant_db(v, 0) == pytest.approx(0)
    assert snr_variable_db(v, 0) == pytest.approx(0)


def test_bits_shared_by_all_frames_are_never_worse_than_equal_shares() -> None:
    v = np.random.default_rng(0).gamma(0.3, size=(30, 50)) + 1e-9
    for bits in (5, 50, 200):
        assert snr_variable_db(v, bits) >= snr_constant_db(v, bits)


def test_the_optimum_agrees_with_a_search_over_the_water_level() -> None:
    v = np.random.default_rng(1).gamma(0.2, size=(1, 64)) + 1e-9
    for bits in (3.0, 30.0, 150.0):
        low, high = 1e-15, float(v.max())
        for _ in range(200):
            theta = np.sqrt(low * high)
            spent = np.maximum(0, 0.5 * np.log2(v / theta)).sum()
            low, high = (theta, high) if spent > bits else (low, theta)
        wanted = 10 * np.log10(v.sum() / np.minimum(v, high).sum())
        assert snr_constant_db(v, bits) == pytest.approx(wanted, abs=1e-6)


def test_the_transform_is_the_formula_of_the_mdct() -> None:
    half = 12
    frames = np.random.default_rng(2).normal(size=(3, 2 * half))
    n, k = np.arange(2 * half), np.arange(half)
    kernel = np.cos(np.pi / half * np.outer(n + 0.5 + half / 2, k + 0.5))
    window = np.sin(np.pi * (n + 0.5) / (2 * half))
    np.testing.assert_allclose(mdct(frames), np.sqrt(2 / half) * (frames * window) @ kernel)


def test_the_transform_keeps_the_power_of_a_signal() -> None:
    signal = np.random.default_rng(3).normal(size=3200)
    assert np.square(mdct(_frames(signal, 320))).sum() == pytest.approx(np.square(signal).sum())


@pytest.mark.parametrize(("envelope", "slack"), [("A", 0.6), ("B", 2.5)])
def test_white_noise_is_near_six_decibels_a_bit(envelope, slack) -> None:
    """One bit a sample; an envelope fitted to a frame follows its chance, hence the slack."""
    noise = np.random.default_rng(4).normal(size=32_000) * 0.1
    curve = reference_curve(noise, 16000, [16, 32], envelope)
    for snr, bits in zip(curve.constant, (1, 2), strict=True):
        assert bits * BIT_DB - 0.1 <= snr <= bits * BIT_DB + slack


def test_variances_fit_the_power_of_the_coefficients() -> None:
    noise = np.random.default_rng(5).normal(size=16_000) * 0.1
    power = np.square(
        mdct(_frames(np.round(noise * 0.7 / np.abs(noise).max() * 32768) / 32768, 320))
    )
    assert variances(noise, 16000, "A").sum() == pytest.approx(power.sum(), rel=1e-9)


def test_silence_has_no_reference() -> None:
    assert np.isnan(reference_curve(np.zeros(3200), 16000, [6.0]).constant[0])


# Means of five clips, three of them of LibriSpeech: kbit/s -> (A constant, B constant, A variable).
PUBLISHED = {3: (10.9, 13.3, 15.5), 6: (15.5, 17.6, 20.7), 16: (23.6, 24.9, 30.3)}


@pytest.mark.slow
def test_read_speech_lies_where_speech_was_measured_before(shared_data: Path) -> None:
    """Other clips of the same corpus: within 1 dB by A at constant rate, 1.3 dB by all."""
    with (shared_data / "manifest.csv").open(encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["speaker"].startswith("ls")]
    rows.sort(key=lambda row: -float(row["duration_s"]))
    found = []
    for row in rows[:6]:
        samples, rate = soundfile.read(shared_data / row["path"], dtype="float64", always_2d=True)
        wave = np.asarray(samples[:, 0], np.float64)
        a = reference_curve(wave, rate, tuple(PUBLISHED), "A")
        b = reference_curve(wave, rate, tuple(PUBLISHED), "B")
        found.append((a.constant, b.constant, a.variable))
    difference = np.mean(found, axis=0) - np.array(list(PUBLISHED.values())).T
    assert np.abs(difference).max() <= 1.3
    assert np.abs(difference[0]).max() <= 1.0
