"""Synthetic speech: finite, of known level, seeded, and with speakers kept apart."""

import itertools

import numpy as np
import pytest

from wellposed.data import synthetic
from wellposed.data.mixing import dynamic_range_db, power

RATES = (8000, 16000, 22050, 44100, 48000)


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_the_speakers_of_different_splits_are_disjoint():
    assert set(synthetic.SPEAKERS) == {"train", "valid", "test"}
    for first, second in itertools.combinations(synthetic.SPEAKERS.values(), 2):
        assert not set(first) & set(second)


@pytest.mark.parametrize("rate", RATES)
def test_speech_is_finite_and_peaks_at_a_half(rate: int):
    for speaker in (0, 17, 239):
        wave = synthetic.speech(speaker, 2 * rate, rate, rng(speaker))
        assert wave.shape == (2 * rate,)
        assert wave.dtype == np.float32
        assert np.isfinite(wave).all()
        assert np.abs(wave).max() == pytest.approx(0.5, rel=1e-4)
        assert -40 < 10 * np.log10(power(wave)) < -10


@pytest.mark.parametrize("samples", [1, 2, 255, 256, 257, 5000])
def test_speech_has_the_length_asked_for(samples: int):
    assert synthetic.speech(3, samples, 16000, rng()).shape == (samples,)


@pytest.mark.parametrize("rate", [11025, 22050])
def test_long_speech_is_filled_where_a_frame_is_no_whole_number_of_samples(rate: int):
    wave = synthetic.speech(3, 30 * rate, rate, rng())
    assert wave.shape == (30 * rate,)
    assert wave[-2 * rate :].any()


def test_speech_has_pauses():
    ranges = [
        dynamic_range_db(synthetic.speech(speaker, 64000, 16000, rng(speaker)), 16000)
        for speaker in range(10)
    ]
    assert np.median(ranges) > 25


def test_a_voice_belongs_to_its_number_and_what_it_says_to_the_generator():
    first = synthetic.speech(1, 8000, 16000, rng(5))
    assert (synthetic.speech(1, 8000, 16000, rng(5)) == first).all()
    assert not (synthetic.speech(2, 8000, 16000, rng(5)) == first).all()
    assert not (synthetic.speech(1, 8000, 16000, rng(6)) == first).all()
