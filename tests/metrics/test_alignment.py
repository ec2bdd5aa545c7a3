"""The delay is found, and taken away, to a tenth of a sample."""

import numpy as np
import pytest
from scipy import fft

from wellposed.metrics.alignment import align, aligned_si_sdr_db, aligned_snr_db, delay_samples
from wellposed.metrics.speech import si_sdr_db, snr_db


def coloured(samples: int = 16000, seed: int = 0) -> np.ndarray:
    """Noise that falls like speech, without the highest octave."""
    spectrum = fft.rfft(np.random.default_rng(seed).normal(size=samples))
    shape = 1 / (1 + (np.arange(len(spectrum)) / (0.05 * len(spectrum))) ** 2)
    shape[len(spectrum) // 2 :] = 0
    return fft.irfft(spectrum * shape, samples)


def moved(signal: np.ndarray, delay: float) -> np.ndarray:
    padded = np.pad(signal, 4000)
    ramp = np.exp(-2j * np.pi * np.arange(len(padded) // 2 + 1) * delay / len(padded))
    return fft.irfft(fft.rfft(padded) * ramp, len(padded))[4000:-4000]


@pytest.mark.parametrize("delay", [0, 1, 8, -8, 1999, -2000, 0.3, -0.7, 511.4, -0.1])
def test_the_delay_is_found_to_a_tenth_of_a_sample(delay: float) -> None:
    clean = coloured()
    found = delay_samples(moved(clean, delay), clean).value
    assert found == pytest.approx(delay, abs=0.0501)


def test_eight_samples_late_is_bad_as_it_is_and_perfect_aligned() -> None:
    clean = coloured()
    late = moved(clean, 8) + 1e-3 * np.abs(clean).max() * coloured(seed=1) / coloured(seed=1).std()
    plain, fine = snr_db(late, clean).value, aligned_snr_db(late, clean).value
    assert plain is not None
    assert fine is not None
    assert plain < 10 < 30 < fine


@pytest.mark.parametrize("delay", [0, 3, -5])
def test_what_noise_leaves_is_the_snr_of_the_noise(delay: int) -> None:
    clean, noise = coloured(), coloured(seed=1)
    noise *= 0.1 * np.sqrt((clean @ clean) / (noise @ noise))
    estimate = moved(clean, delay) + noise
    assert aligned_snr_db(estimate, clean).value == pytest.approx(20, abs=0.1)
    assert aligned_si_sdr_db(estimate, clean).value == pytest.approx(20, abs=0.1)


def test_a_pair_without_delay_is_scored_as_it_is() -> None:
    clean = coloured()
    estimate = 0.9 * clean + 0.05 * coloured(seed=1)
    pair = align(estimate, clean)
    assert pair.delay == 0
    assert pair.estimate is estimate
    assert aligned_si_sdr_db(estimate, clean) == si_sdr_db(estimate, clean)


@pytest.mark.parametrize("length", [3, 500, 1999])
def test_short_signals_are_aligned_too(length: int) -> None:
    clean = coloured(4000)[:length]
    assert delay_samples(clean.copy(), clean).value == 0


def test_silence_has_no_delay() -> None:
    assert delay_samples(np.zeros(100), coloured(100)).value is None
    assert aligned_snr_db(np.zeros(100), coloured(100)).reason == "the estimate is silent"
