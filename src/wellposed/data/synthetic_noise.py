"""Computed noise of many kinds, seeded: what recordings of a small corpus lack.

Every kind has unit power and a generator of its own draws. Real rooms hold rumble of traffic and
ventilation, hum of the mains, machines that beat, and things that fall; fifteen minutes of
recordings hold few of them, and an enhancer only removes what it has heard.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from wellposed.data.mixing import Wave

Draw = Callable[[int, int, np.random.Generator], NDArray]


def noise(samples: int, rate: int, rng: np.random.Generator) -> Wave:
    """Draw a kind, and noise of it `(samples,)` that swells slowly; unit power."""
    kinds = list(KINDS.values())
    wave = kinds[int(rng.integers(len(kinds)))](samples, rate, rng)
    wave = wave * _swell(samples, rate, rng)
    return (wave / np.sqrt(np.mean(wave**2) + 1e-20)).astype(np.float32)


def coloured(samples: int, rate: int, rng: np.random.Generator) -> NDArray:
    """Gaussian with a random slope, from blue (+3 dB an octave) to red (-9)."""
    slope = -rng.uniform(-0.5, 1.5)
    return _filtered(samples, rate, rng, lambda hz: (np.maximum(hz, 50.0) / 1000.0) ** slope)


def rumble(samples: int, rate: int, rng: np.random.Generator) -> NDArray:
    """Traffic and ventilation: Gaussian below 40 to 300 Hz, falling by 12 to 24 dB an octave."""
    corner, order = 40.0 * 7.5 ** rng.random(), rng.uniform(2.0, 4.0)
    return _filtered(samples, rate, rng, lambda hz: 1.0 / (1.0 + (hz / corner) ** order))


def hum(samples: int, rate: int, rng: np.random.Generator) -> NDArray:
    """Mains and motors: 3 to 30 harmonics of 45 to 400 Hz, unsteady by a thousandth or so."""
    lowest = float(rng.choice([50.0, 60.0])) if rng.random() < 0.5 else rng.uniform(45.0, 400.0)
    count = max(1, min(int(rng.integers(3, 31)), int(0.45 * rate / lowest)))
    drift = np.cumsum(_knots(samples, rate, 0.1, rng)) * 1e-3 * rng.random() / rate
    gains = 10 ** (rng.normal(0.0, 6.0, count) / 20) / np.arange(1, count + 1) ** rng.random()
    weights = gains * np.exp(2j * np.pi * rng.random(count))
    turn = np.exp(2j * np.pi * lowest * (np.arange(samples) / rate + drift))
    wave = np.zeros(samples, complex)
    for weight in weights[::-1]:  # Horner: a sine per harmonic would take four times as long.
        wave = (wave + weight) * turn
    return wave.imag


def machine(samples: int, rate: int, rng: np.random.Generator) -> NDArray:
    """A band of noise, half to three octaves wide, that beats 0.5 to 30 times a second."""
    centre = 150.0 * (0.3 * rate / 150.0) ** rng.random()
    octaves = rng.uniform(0.5, 3.0)

    def band(hz: NDArray) -> NDArray:
        distance = np.log2(np.maximum(hz, 1.0) / centre)
        return np.exp(-0.5 * (2 * distance / octaves) ** 2)

    beat = 0.5 * 60.0 ** rng.random()
    depth = rng.uniform(0.3, 1.0)
    phase = 2 * np.pi * beat * np.arange(samples) / rate + rng.uniform(0, 2 * np.pi)
    shape = np.exp(rng.uniform(0.0, 3.0) * (np.cos(phase) - 1.0))
    return _filtered(samples, rate, rng, band) * (1 - depth + depth * shape)


def impacts(samples: int, rate: int, rng: np.random.Generator) -> NDArray:
    """Things that fall, 0.5 to 10 a second: coloured bursts that die away in 5 to 200 ms."""
    wave = 0.03 * coloured(samples, rate, rng)
    for _ in range(1 + rng.poisson(samples / rate * 0.5 * 20.0 ** rng.random())):
        decay = 0.005 * 40.0 ** rng.random()
        length = max(16, min(samples, round(6 * decay * rate)))
        burst = coloured(length, rate, rng) * np.exp(-np.arange(length) / (decay * rate))
        start = int(rng.integers(samples))
        piece = burst[: samples - start] * 10 ** (rng.normal(0.0, 6.0) / 20)
        wave[start : start + len(piece)] += piece
    return wave


KINDS: dict[str, Draw] = {
    "coloured": coloured,
    "rumble": rumble,
    "hum": hum,
    "machine": machine,
    "impacts": impacts,
}
"""All kinds, drawn alike."""


def _filtered(
    samples: int, rate: int, rng: np.random.Generator, response: Callable[[NDArray], NDArray]
) -> NDArray:
    """Gaussian noise of unit power through a magnitude response over frequency [Hz]."""
    spectrum = np.fft.rfft(rng.standard_normal(samples))
    spectrum *= response(np.linspace(0, rate / 2, len(spectrum)))
    wave = np.fft.irfft(spectrum, n=samples)
    return wave / np.sqrt(np.mean(wave**2) + 1e-20)


def _swell(samples: int, rate: int, rng: np.random.Generator) -> NDArray:
    """A gain that wanders by up to 4 dB (standard deviation) within quarters of a second."""
    return 10 ** (_knots(samples, rate, 0.25, rng) * rng.uniform(0.0, 4.0) / 20)


def _knots(samples: int, rate: int, step_s: float, rng: np.random.Generator) -> NDArray:
    """Gaussian values every `step_s` seconds, joined by straight lines."""
    values = rng.normal(0.0, 1.0, int(samples / rate / step_s) + 3)
    return np.interp(np.arange(samples) / (rate * step_s), np.arange(len(values)), values)
