"""Mel scales and filterbanks, computed from their formulas.

Two scales are in use: that of Slaney's Auditory Toolbox (linear below 1 kHz, logarithmic above;
the default of librosa) and that of the Hidden Markov Toolkit, 2595 log10(1 + f / 700).
"""

import math
from functools import lru_cache
from typing import Literal

import torch
from torch import Tensor

from wellposed.dsp.stft import Stft

Scale = Literal["slaney", "htk"]

LINEAR_HZ = 200 / 3
"""Hz per mel below 1 kHz (slaney)."""
KNEE_HZ = 1000.0
KNEE_MEL = KNEE_HZ / LINEAR_HZ
LOG_STEP = math.log(6.4) / 27
"""Above: 27 mels from 1 to 6.4 kHz."""
FLOOR = 1e-5
"""Least magnitude: -100 dB re full scale, as a noise of that level in every bin."""
SLOPE = 1e-12
"""Added to powers (-120 dB), so that the slope of the magnitude at zero is that of a power."""


def hz_to_mel(frequency: Tensor, scale: Scale = "slaney") -> Tensor:
    """Mel values of frequencies [Hz]."""
    if scale == "htk":
        return 2595 * torch.log10(1 + frequency / 700)
    above = KNEE_MEL + torch.log(frequency.clamp(min=KNEE_HZ) / KNEE_HZ) / LOG_STEP
    return torch.where(frequency < KNEE_HZ, frequency / LINEAR_HZ, above)


def mel_to_hz(mel: Tensor, scale: Scale = "slaney") -> Tensor:
    """Frequencies [Hz] of mel values."""
    if scale == "htk":
        return 700 * (10 ** (mel / 2595) - 1)
    above = KNEE_HZ * torch.exp(LOG_STEP * (mel - KNEE_MEL))
    return torch.where(mel < KNEE_MEL, mel * LINEAR_HZ, above)


def mel_filters(bins: int, rate: int, mels: int, scale: Scale = "slaney") -> Tensor:
    """Triangular filters `(mels, bins)` over bins from 0 to rate / 2, in float64.

    Corners lie evenly in mel from 0 to rate / 2; each triangle has the area 1 over frequency [Hz]
    ("Slaney norm"). Raises ValueError: a triangle that holds no bin. Below the resolution of the
    transform there is nothing to tell such filters apart.
    """
    top = hz_to_mel(torch.tensor(rate / 2, dtype=torch.float64), scale)
    corners = mel_to_hz(torch.linspace(0, 1, mels + 2, dtype=torch.float64) * top, scale)
    low, centre, high = (corners[i : i + mels, None] for i in range(3))
    frequency = torch.linspace(0, rate / 2, bins, dtype=torch.float64)
    rising = (frequency - low) / (centre - low)
    falling = (high - frequency) / (high - centre)
    filters = torch.minimum(rising, falling).clamp(min=0) * 2 / (high - low)
    empty = (filters.sum(1) <= 0).nonzero()[:, 0].tolist()
    if empty:
        raise ValueError(
            f"{mels} mel filters over {bins} bins up to {rate / 2:g} Hz: filter {empty[0]} holds "
            "no bin; take fewer filters or a longer window"
        )
    return filters


def log_mel(
    wave: Tensor, rate: int, window_ms: float, mels: int, scale: Scale = "slaney"
) -> Tensor:
    """Log10 of mel magnitudes `(batch, frames, mels)`, hop a quarter of the window.

    Each filter averages magnitudes, so that a white noise has its level [re full scale].
    """
    stft = Stft.of_duration(rate, window_ms, window_ms / 4)
    wide = wave.to(torch.promote_types(wave.dtype, torch.float32))
    spectrum = stft.forward(wide)
    power = spectrum.real.square() + spectrum.imag.square()
    filters = _averaging(stft.bins, rate, mels, scale).to(power)
    return torch.log10(((power + SLOPE).sqrt() @ filters.T).clamp(min=FLOOR))


@lru_cache(maxsize=64)
def _averaging(bins: int, rate: int, mels: int, scale: Scale) -> Tensor:
    filters = mel_filters(bins, rate, mels, scale)
    return filters / filters.sum(1, keepdim=True)
