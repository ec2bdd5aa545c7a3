"""The mel distance: filters from the formula, decibels with a meaning."""

import numpy as np
import pytest

from wellposed.metrics.mel import filterbank, mel_distance_db


def mel_of(hz: float) -> float:
    """Slaney's scale once more, from its definition: 15 mels to 1 kHz, 27 to 6.4 kHz."""
    return hz * 3 / 200 if hz < 1000 else 15 + 27 * np.log(hz / 1000) / np.log(6.4)


def test_each_filter_has_one_peak_at_its_place_and_equal_area() -> None:
    rate, window, bands = 16000, 2048, 80
    bank = filterbank(rate, window, bands)
    top = mel_of(rate / 2)
    for number, row in enumerate(bank):
        peak = int(np.argmax(row))
        assert (np.diff(row[: peak + 1]) >= 0).all()
        assert (np.diff(row[peak:]) <= 0).all()
        assert mel_of(peak * rate / window) == pytest.approx(
            (number + 1) * top / (bands + 1), abs=0.13
        )
    # Triangles of area 1; the sum over bins of `rate / window` Hz is near it where bins are many.
    areas = bank[40:].sum(axis=1) * rate / window
    np.testing.assert_allclose(areas, 1, rtol=0.03)


def test_a_louder_copy_is_away_by_its_gain() -> None:
    noise = np.random.default_rng(0).normal(size=16000)
    score = mel_distance_db(noise * 10 ** (6 / 20), noise, 16000)
    assert score.value == pytest.approx(6.0, abs=1e-9)
    assert mel_distance_db(noise, noise, 16000).value == 0


def test_silence_and_short_signals_have_no_distance() -> None:
    noise = np.random.default_rng(0).normal(size=2000)
    assert mel_distance_db(np.zeros(2000), noise, 16000).value is None
    assert "shorter than 2048" in mel_distance_db(noise, noise, 16000).reason


def test_other_rates_have_other_bands() -> None:
    noise = np.random.default_rng(0).normal(size=9000)
    other = noise + 0.1 * np.random.default_rng(1).normal(size=9000)
    assert mel_distance_db(other, noise, 8000).value != mel_distance_db(other, noise, 48000).value
