"""Computed noise: unit power, seeded, and each kind with the spectrum or rhythm of its name."""

import numpy as np
import pytest
from numpy.typing import NDArray

from wellposed.data import synthetic_noise
from wellposed.data.mixing import power

RATE = 16000


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def spectrum(wave: NDArray) -> NDArray:
    return np.abs(np.fft.rfft(wave.astype(np.float64))) ** 2


@pytest.mark.parametrize("rate", [8000, 16000, 22050, 44100, 48000])
def test_noise_has_unit_power(rate: int):
    for seed in range(12):
        wave = synthetic_noise.noise(rate, rate, rng(seed))
        assert wave.dtype == np.float32
        assert power(wave) == pytest.approx(1.0, rel=1e-4)


def test_noise_is_seeded():
    draw = synthetic_noise.noise
    assert (draw(999, RATE, rng(1)) == draw(999, RATE, rng(1))).all()
    assert not (draw(999, RATE, rng(1)) == draw(999, RATE, rng(2))).all()


@pytest.mark.parametrize("kind", synthetic_noise.KINDS)
@pytest.mark.parametrize("samples", [1, 2, 255, 256, 257, 5000])
def test_every_kind_has_the_length_asked_for_and_is_finite(kind: str, samples: int):
    for seed in range(4):
        wave = synthetic_noise.KINDS[kind](samples, RATE, rng(seed))
        assert wave.shape == (samples,)
        assert np.isfinite(wave).all()


def test_rumble_lies_low():
    for seed in range(10):
        found = spectrum(synthetic_noise.rumble(4 * RATE, RATE, rng(seed)))
        # With the highest corner and the flattest slope, 1 / (1 + (f / 300) ** 2) in amplitude,
        # the power above 1 kHz is 1.1 %; 2000 bins of it vary by a few per cent of themselves.
        assert found[4 * 1000 :].sum() < 0.02 * found.sum()


def test_hum_is_made_of_the_harmonics_of_one_frequency():
    hz = np.fft.rfftfreq(4 * RATE, 1 / RATE)
    for seed in range(10):
        draws = rng(seed)
        mains = draws.random() < 0.5
        lowest = float(draws.choice([50.0, 60.0])) if mains else draws.uniform(45.0, 400.0)
        found = spectrum(synthetic_noise.hum(4 * RATE, RATE, rng(seed)) * np.hanning(4 * RATE))
        # The pitch wanders by a Gaussian of at most a thousandth: four of them, and the window's
        # main lobe of 2 bins (0.5 Hz) to each side.
        number = np.maximum(np.round(hz / lowest), 1)
        near = np.abs(hz - number * lowest) <= 4e-3 * number * lowest + 0.5
        assert found[near].sum() > 0.98 * found.sum()


def test_the_slope_of_coloured_noise_is_the_one_drawn():
    hz = np.fft.rfftfreq(8 * RATE, 1 / RATE)
    octaves = [(hz >= low) & (hz < 2 * low) for low in (125, 250, 500, 1000, 2000)]
    for seed in range(10):
        drawn = -rng(seed).uniform(-0.5, 1.5)
        found = spectrum(synthetic_noise.coloured(8 * RATE, RATE, rng(seed)))
        levels = [10 * np.log10(found[octave].mean()) for octave in octaves]
        # dB an octave: 20 log10(2) times the exponent. 1000 bins of the lowest octave: 0.14 dB.
        slope = np.polyfit(np.arange(5), levels, 1)[0]
        assert slope == pytest.approx(6.02 * drawn, abs=0.25)


def test_impacts_stand_out_of_their_background():
    for seed in range(10):
        wave = synthetic_noise.impacts(4 * RATE, RATE, rng(seed))
        frames = np.mean(wave.reshape(-1, 160) ** 2, axis=1)
        assert frames.max() > 30 * np.median(frames)


def test_a_machine_beats():
    for seed in range(10):
        wave = synthetic_noise.machine(8 * RATE, RATE, rng(seed))
        envelope = np.sqrt(np.mean(wave.reshape(-1, 80) ** 2, axis=1))
        rhythm = spectrum(envelope - envelope.mean())
        # Beats are periodic, so one of the lines up to 40 Hz stands far above the middle.
        assert rhythm[2:320].max() > 8 * np.median(rhythm[2:320])
