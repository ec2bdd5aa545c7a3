"""The rate-distortion reference of a recording: what SNR a Gaussian of its spectrum would allow.

Every frame of 20 ms is taken as a Gaussian with a known spectral envelope, and bits go where they
lower the squared error most (reverse water-filling; Berger 1971; Cover and Thomas, section 10.3).
The envelope is free, which makes the reference 1 to 3 kbit/s optimistic; frames are independent,
which makes it pessimistic. Good to about +-3 dB, and no theorem about any codec: squared error is
not what ears mind. Two envelopes: A, linear prediction of order 16; B, three sine tapers.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from wellposed.metrics.score import Signal

Variances = NDArray[np.float64]
"""(frames, coefficients)"""
FRAMES_PER_SECOND = 50
PEAK = 0.7
"""Level of the recording, which matters at high rates alone: it is rounded to 16 bits after."""
ORDER = 16
TAPERS = 3
_SMALL = 1e-14


@dataclass(frozen=True)
class Curve:
    """SNR [dB] that the envelope allows at each rate."""

    kbps: tuple[float, ...]
    constant: tuple[float, ...]
    """When every frame gets the same number of bits."""
    variable: tuple[float, ...]
    """When the bits go to where they help in the whole recording."""


def reference_curve(
    signal: Signal, rate: int, kbps: Sequence[float], envelope: Literal["A", "B"] = "A"
) -> Curve:
    """Compute the reference of a mono recording (time,) at `rate` Hz for several bitrates.

    A recording of zeros has the SNR nan. The rate must be a multiple of 50 Hz.
    """
    v = variances(signal, rate, envelope)
    return Curve(
        tuple(float(each) for each in kbps),
        tuple(snr_constant_db(v, 1000 * each / FRAMES_PER_SECOND) for each in kbps),
        tuple(snr_variable_db(v, 1000 * each / FRAMES_PER_SECOND) for each in kbps),
    )


def variances(signal: Signal, rate: int, envelope: Literal["A", "B"]) -> Variances:
    """Variance of each coefficient of each frame, scaled to the power of the MDCT."""
    assert rate % FRAMES_PER_SECOND == 0, f"{rate} Hz has no frames of 20 ms"
    half = rate // FRAMES_PER_SECOND
    frames = _frames(_prepared(signal), half)
    v = _by_prediction(frames) if envelope == "A" else _by_tapers(frames)
    power, total = float(np.square(mdct(frames)).sum()), float(v.sum())
    return v * (power / total if total else 0.0) + _SMALL


def mdct(frames: NDArray[np.float64]) -> NDArray[np.float64]:
    """MDCT with the sine window of frames (number, 2 N): (number, N).

    `sqrt(2 / N) sum_n x w cos(pi / N (n + 1/2 + N/2)(k + 1/2))`, orthogonal with the neighbours.
    """
    half = frames.shape[1] // 2
    windowed = frames * _sine(2 * half)
    n, k = np.arange(2 * half), np.arange(half)
    turned = fft.fft(windowed * np.exp(-1j * np.pi * n / (2 * half)), axis=1)[:, :half]
    phase = np.exp(-1j * np.pi / half * (0.5 + half / 2) * (k + 0.5))
    return np.sqrt(2 / half) * (turned * phase).real


def snr_constant_db(v: Variances, bits: float) -> float:
    """SNR when each frame (row) has `bits` of its own."""
    return _snr_db(v, float(_water(v, bits).sum()))


def snr_variable_db(v: Variances, bits: float) -> float:
    """SNR when all frames share `bits` times their number."""
    return _snr_db(v, float(_water(v.reshape(1, -1), bits * len(v))[0]))


def _water(v: Variances, bits: float) -> NDArray[np.float64]:
    """Least squared error of each row when it has so many bits.

    The m largest variances are coded down to theta, the others left out, where
    `log2 theta = (sum of log2 of the m largest - 2 bits) / m` and v_m >= theta >= v_(m+1).
    """
    falling = -np.sort(-v, axis=1)
    logs = np.log2(falling)
    level = (np.cumsum(logs, axis=1) - 2 * bits) / np.arange(1, v.shape[1] + 1)
    # v_m >= theta holds up to the right m and for none after it.
    m = np.count_nonzero(logs >= level - 1e-12, axis=1)
    theta = 2.0 ** level[np.arange(len(v)), m - 1]
    left_out = np.where(np.arange(v.shape[1]) >= m[:, None], falling, 0.0).sum(axis=1)
    return m * theta + left_out


def _snr_db(v: Variances, distortion: float) -> float:
    power = float(v.sum())
    return 10 * float(np.log10(power / distortion)) if power > 2 * _SMALL * v.size else float("nan")


def _prepared(signal: Signal) -> NDArray[np.float64]:
    peak = float(np.abs(signal).max(initial=0))
    scaled = signal.astype(np.float64) * (PEAK / peak if peak else 1.0)
    return np.round(scaled * 32768) / 32768


def _frames(signal: NDArray[np.float64], half: int) -> NDArray[np.float64]:
    """Frames of `2 half` samples, `half` apart, that cover every sample twice."""
    whole = -(-len(signal) // half) * half
    padded = np.pad(signal, (half, whole - len(signal) + half))
    return np.lib.stride_tricks.sliding_window_view(padded, 2 * half)[::half]


def _sine(length: int) -> NDArray[np.float64]:
    return np.sin(np.pi * (np.arange(length) + 0.5) / length)


def _by_prediction(frames: NDArray[np.float64]) -> Variances:
    """Envelope A: all-pole spectrum of order 16 by the autocorrelation of the windowed frame."""
    length = frames.shape[1]
    spectrum = fft.rfft(frames * _sine(length), 2 * length, axis=1)
    r = fft.irfft(np.square(np.abs(spectrum)), 2 * length, axis=1)[:, : ORDER + 1]
    r[:, 0] = r[:, 0] * (1 + 1e-5) + 1e-9
    lags = np.abs(np.arange(ORDER)[:, None] - np.arange(ORDER))
    a = np.linalg.solve(r[:, lags], r[:, 1:, None])[..., 0]
    gain = np.maximum(r[:, 0] - (a * r[:, 1:]).sum(axis=1), 1e-12)
    half = length // 2
    angles = np.outer(np.arange(1, ORDER + 1), np.pi * (np.arange(half) + 0.5) / half)
    return gain[:, None] / np.square(np.abs(1 - a @ np.exp(-1j * angles)))


def _by_tapers(frames: NDArray[np.float64]) -> Variances:
    """Envelope B: mean of three sine-tapered periodograms (Riedel and Sidorenko 1995)."""
    length = frames.shape[1]
    n = np.arange(length)
    half_bin = np.exp(-1j * np.pi * n / length)
    v = np.zeros((len(frames), length // 2))
    for taper in range(TAPERS):
        shape = np.sqrt(2 / (length + 1)) * np.sin(np.pi * (taper + 1) * (n + 1) / (length + 1))
        spectrum = fft.fft(frames * (shape * half_bin), axis=1)[:, : length // 2]
        v += np.square(np.abs(spectrum)) / TAPERS
    return v
