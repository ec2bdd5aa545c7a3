"""Synthetic speech-like sound, seeded: everything works without a single file.

Speech-like means what an enhancer can use: voiced syllables with a moving pitch and moving
formants, unvoiced bursts, pauses. It is not intelligible, and scores on it say nothing about
speech; it is there for tests, demonstrations and a first look.
"""

import numpy as np
from numpy.typing import NDArray

from wellposed.data.keyed import generator
from wellposed.data.mixing import Wave

SPEAKERS = {"train": range(0, 200), "valid": range(200, 240), "test": range(240, 280)}
"""Numbers of the synthetic speakers of each split."""

_VOWELS = np.array(
    [[730, 1090, 2440], [270, 2290, 3010], [300, 870, 2240], [530, 1840, 2480], [570, 840, 2410]]
)
"""First three formants [Hz] of five vowels of men: Peterson and Barney, 1952, table II."""

_FRAME_S = 0.016


def speech(speaker: int, samples: int, rate: int, rng: np.random.Generator) -> Wave:
    """Babbling of one synthetic speaker, peak about 0.5."""
    pitch_hz, stretch = _voice(speaker)
    # Frames of whole samples can be shorter than 16 ms (11.025 kHz): long takes need more of them.
    frames = max(int(np.ceil(samples / rate / _FRAME_S)) + 2, -(-samples // round(_FRAME_S * rate)))
    voiced, unvoiced, vowel = _syllables(frames, rng)
    drift = np.cumsum(rng.normal(0, 0.02, frames))
    contour = pitch_hz * np.exp(0.15 * np.sin(np.arange(frames) * 0.05) + drift - drift.mean())
    phase = 2 * np.pi * np.cumsum(_per_sample(contour, samples, rate)) / rate
    # A pulse train whose harmonics fall by 0.8 each: Poisson kernel of the phase.
    pulses = 0.36 / (1.64 - 1.6 * np.cos(phase)) - 1.0
    hiss = rng.standard_normal(samples)
    excitation = pulses * _per_sample(voiced, samples, rate)
    shaped = _formants(excitation, vowel * stretch, rate)
    shaped += 0.15 * np.diff(hiss, prepend=0.0) * _per_sample(unvoiced, samples, rate)
    return (0.5 * shaped / (np.abs(shaped).max() + 1e-9)).astype(np.float32)


def gender(speaker: int) -> str:
    """Say which gender the pitch of a synthetic speaker would be taken for: "f" or "m".

    The limit lies between the mean pitches of men and women, 132 and 223 Hz (Peterson and Barney,
    1952, table II), at their geometric mean.
    """
    return "f" if _voice(speaker)[0] > (132 * 223) ** 0.5 else "m"


def _voice(speaker: int) -> tuple[float, float]:
    """Mean pitch [Hz], and how much shorter than a man's the vocal tract is."""
    voice = generator(0, "synthetic speaker", speaker)
    return voice.uniform(85, 240), voice.uniform(0.95, 1.25)


def _syllables(frames: int, rng: np.random.Generator) -> tuple[NDArray, NDArray, NDArray]:
    """Envelopes of voice and hiss, and formants [Hz], per frame."""
    voiced, unvoiced = np.zeros(frames), np.zeros(frames)
    times, targets = [0], [_VOWELS[rng.integers(len(_VOWELS))]]
    at = 0
    while at < frames:
        at += int(rng.integers(0, 4)) if rng.random() < 0.8 else int(rng.integers(10, 30))
        if rng.random() < 0.4:
            burst = int(rng.integers(3, 8))
            unvoiced[at : at + burst] = rng.uniform(0.2, 1.0)
            at += burst
        length = int(rng.integers(6, 16))
        arch = np.sin(np.pi * (np.arange(length) + 0.5) / length) ** 0.5
        stop = min(at + length, frames)
        if at < frames:
            voiced[at:stop] = rng.uniform(0.3, 1.0) * arch[: stop - at]
        at = at + length
        times.append(at)
        targets.append(_VOWELS[rng.integers(len(_VOWELS))])
    moving = [np.interp(np.arange(frames), times, track) for track in np.array(targets).T]
    return voiced, unvoiced, np.stack(moving, axis=1)


def _formants(excitation: NDArray, formants: NDArray, rate: int) -> NDArray:
    """Filter by three moving resonances of 80 to 200 Hz bandwidth, in short overlapping frames."""
    hop = round(_FRAME_S * rate)
    window = np.sqrt(0.5 - 0.5 * np.cos(2 * np.pi * np.arange(2 * hop) / (2 * hop)))
    count = len(formants) - 1
    padded = np.zeros((count + 1) * hop)
    usable = min(len(excitation), len(padded))
    padded[:usable] = excitation[:usable]
    framed = np.lib.stride_tricks.sliding_window_view(padded, 2 * hop)[::hop] * window
    frequency = np.linspace(0, rate / 2, hop + 1)
    gain = np.zeros((len(framed), hop + 1))
    for number, bandwidth in enumerate((80.0, 120.0, 200.0)):
        centre = formants[: len(framed), number, None]
        gain += 0.6**number / np.sqrt(1 + ((frequency - centre) / bandwidth) ** 2)
    filtered = np.fft.irfft(np.fft.rfft(framed) * gain, n=2 * hop) * window
    out = np.zeros(len(padded))
    out[: len(filtered) * hop] += filtered[:, :hop].ravel()
    out[hop : (len(filtered) + 1) * hop] += filtered[:, hop:].ravel()
    return out[: len(excitation)]


def _per_sample(values: NDArray, samples: int, rate: int) -> NDArray:
    """Join values given every 16 ms by straight lines."""
    return np.interp(np.arange(samples) / (rate * _FRAME_S), np.arange(len(values)), values)
