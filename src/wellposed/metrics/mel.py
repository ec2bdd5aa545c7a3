"""Distance of two signals in mel bands, over seven resolutions.

The measure that codecs of the field are trained and compared by (descript-audio-codec,
arXiv:2306.06546), here in decibels and as a mean, so that the number has a meaning: by how many dB
the energy of a band is wrong.
"""

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from wellposed.metrics.score import Score, Signal, flaw, undefined

WINDOWS = (32, 64, 128, 256, 512, 1024, 2048)
BANDS = (5, 10, 20, 40, 80, 160, 320)
FLOOR = 1e-5
"""Of a band's magnitude, which is about the window's length for a sine at full scale."""


def mel_distance_db(estimate: Signal, reference: Signal, rate: int) -> Score:
    """Mean over windows, frames and bands of `|20 log10|` of the ratio of mel magnitudes [dB].

    Windows of Hann of 32 to 2048 samples a quarter apart, 5 to 320 bands; bands that hold no bin
    of a window (rate and length decide) are left out. Undefined for silence.
    """
    reason = flaw(estimate, reference)
    if not reason and len(reference) < WINDOWS[-1]:
        reason = f"shorter than {WINDOWS[-1]} samples, the longest window of the mel distance"
    if reason:
        return undefined(reason)
    parts = [
        np.abs(_mel_db(estimate, bank, window) - _mel_db(reference, bank, window)).mean()
        for window, bank in ((window, filterbank(rate, window, bands)) for window, bands in
                             zip(WINDOWS, BANDS, strict=True))
    ]  # fmt: skip
    return Score(float(np.mean(parts)))


def filterbank(rate: int, window: int, bands: int) -> NDArray[np.float64]:
    """Triangular filters (bands, window // 2 + 1), equally wide on the mel scale, of equal area.

    Slaney's scale: linear below 1 kHz (200/3 Hz a mel), logarithmic above (6.4 to the power of
    1/27 a mel); each triangle is divided by half of its base [Hz]. Rows without a bin are left
    out.
    """
    edges = _hz(np.linspace(0.0, _mel(rate / 2), bands + 2))
    bins = np.arange(window // 2 + 1) * rate / window
    low, middle, high = edges[:-2, None], edges[1:-1, None], edges[2:, None]
    rising, falling = (bins - low) / (middle - low), (high - bins) / (high - middle)
    bank = np.maximum(0.0, np.minimum(rising, falling)) * 2 / (high - low)
    return bank[bank.any(axis=1)]


_LINEAR_HZ = 200 / 3
_BREAK = 1000 / _LINEAR_HZ
_LOG_STEP = np.log(6.4) / 27


def _mel(hz: float) -> float:
    if hz < 1000:
        return hz / _LINEAR_HZ
    return float(_BREAK + np.log(hz / 1000) / _LOG_STEP)


def _hz(mel: NDArray[np.float64]) -> NDArray[np.float64]:
    above = 1000 * np.exp(_LOG_STEP * np.maximum(mel - _BREAK, 0))
    return np.where(mel < _BREAK, mel * _LINEAR_HZ, above)


def _mel_db(signal: Signal, bank: NDArray[np.float64], window: int) -> NDArray[np.float64]:
    """Mel magnitudes [dB] of all frames of a signal, (frames, bands)."""
    frames = np.lib.stride_tricks.sliding_window_view(
        np.pad(signal.astype(np.float64), window // 2, mode="reflect"), window
    )[:: window // 4]
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(window) / window)
    magnitudes = np.abs(fft.rfft(frames * hann, axis=1)) @ bank.T
    return 20 * np.log10(np.maximum(magnitudes, FLOOR))
