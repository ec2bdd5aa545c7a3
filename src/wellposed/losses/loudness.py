"""Distance of loudness patterns: what an ear would notice, in points of opinion as PESQ counts.

Power in half critical bands, above the threshold of hearing, becomes specific loudness; differences
within a quarter of the smaller one are masked; what is added counts more than what is missing.
Steps, exponents and weights of both sums are those of ITU-T P.862 (perceptual model, clause 10.2);
bands (Traunmueller 1990) and threshold (Terhardt 1979) follow from formulas instead of its tables.
Time alignment, gain and equalisation of P.862 are left out: a level that is wrong is a difference.
"""

from functools import cache

import torch
from torch import Tensor

LISTENING_DB = 79.0
"""Level of a signal of RMS 1 [dB SPL]: that at which P.862 listens to speech."""
WINDOW_MS = 32.0
WIDTH = 0.5
"""Of a band [Bark]."""
EXPONENT = 0.23
"""Of loudness over power (Zwicker)."""
LOWEST = 0.5
"""Where bands begin [Bark]: 78 Hz."""
ROOM_DB = 20.0
"""Noise of a quiet room [dB SPL per Bark], 59 dB below the speech: nothing below it is heard. With
the threshold of hearing alone the slope of loudness in pauses rules the gradient."""
DEAD_ZONE = 0.25
ADDED_POWER = 50.0
"""Power [re 0 dB SPL] below which what is added does not count as such."""
ADDED_EXPONENT, ADDED_LEAST, ADDED_MOST = 1.2, 3.0, 12.0
SYMMETRIC, ADDED = 0.1, 0.0309
"""Points of opinion of a unit of each sum."""


def loudness_distance(estimate: Tensor, reference: Tensor, rate: int = 16000) -> Tensor:
    """Points lost `(batch,)` by `(batch, time)`, where speech has an RMS of 1, at `rate` [Hz].

    Zero for equal signals; deaf to small differences, which are masked. A frame counts by its
    square.
    """
    powers = [_powers(each, rate) for each in (estimate, reference)]
    made, wanted = (_loudness(each, rate) for each in powers)
    gap = (made - wanted).abs() - DEAD_ZONE * torch.minimum(made, wanted)
    gap = gap.clamp(min=0.0) * WIDTH
    ratio = ((powers[0] + ADDED_POWER) / (powers[1] + ADDED_POWER)) ** ADDED_EXPONENT
    added = torch.where(ratio < ADDED_LEAST, 0.0, ratio.clamp(max=ADDED_MOST))
    # The mean over bands of equal width, times their width in all.
    width = gap.shape[-1] * WIDTH
    symmetric = gap.square().mean(-1) / WIDTH**2 * width**2
    extra = (gap * added).sum(-1).square()
    return SYMMETRIC * _root(symmetric.mean(-1)) + ADDED * _root(extra.mean(-1))


def _root(x: Tensor) -> Tensor:
    """Root with a bounded slope, zero at zero."""
    return (x + 1e-4).sqrt() - 1e-2


def _powers(wave: Tensor, rate: int) -> Tensor:
    """Power per Bark `(batch, frames, bands)` [re 0 dB SPL]."""
    wave = wave.to(torch.promote_types(wave.dtype, torch.float32))
    size = round(rate * WINDOW_MS / 1000)
    window = torch.hann_window(size, dtype=wave.dtype, device=wave.device)
    spectrum = torch.stft(
        wave, size, size // 2, window=window, pad_mode="constant", return_complex=True
    )
    power = spectrum.real.square() + spectrum.imag.square()
    bands = _bands(size, rate).to(power) * (10 ** (LISTENING_DB / 10) / window.square().sum())
    return power.transpose(1, 2) @ bands


def _loudness(power: Tensor, rate: int) -> Tensor:
    """Specific loudness [sone per Bark]; nothing below the threshold is heard."""
    threshold = (_threshold(_centres(rate)) + 10 ** (ROOM_DB / 10)).to(power)
    heard = (0.5 + 0.5 * power / threshold).clamp(min=1.0)
    return _scale() * (threshold / 0.5) ** EXPONENT * (heard**EXPONENT - 1)


def _scale() -> float:
    """Unit of loudness: a tone of 1 kHz at 40 dB SPL, within one Bark, has 1 sone."""
    quiet = _threshold(torch.tensor([1000.0], dtype=torch.float64))
    heard = (0.5 + 0.5 * 1e4 / quiet) ** EXPONENT - 1
    return 1 / float((quiet / 0.5) ** EXPONENT * heard)


def _threshold(hertz: Tensor) -> Tensor:
    """Power of a tone that is just heard [re 0 dB SPL] (Terhardt 1979)."""
    kilo = hertz / 1000
    level = 3.64 * kilo**-0.8 - 6.5 * torch.exp(-0.6 * (kilo - 3.3) ** 2) + 1e-3 * kilo**4
    return 10 ** (level / 10)


def _hertz(bark: Tensor) -> Tensor:
    """Frequency of a critical-band rate (Traunmueller 1990, solved)."""
    return 1960 * (bark + 0.53) / (26.28 - bark)


@cache
def _centres(rate: int) -> Tensor:
    """Middles of the bands [Hz]."""
    return _hertz(torch.arange(_number(rate), dtype=torch.float64) * WIDTH + LOWEST + WIDTH / 2)


def _number(rate: int) -> int:
    highest = 26.81 * (rate / 2) / (1960 + rate / 2) - 0.53
    return int((highest - LOWEST) / WIDTH)


@cache
def _bands(size: int, rate: int) -> Tensor:
    """Share of every bin in every band `(bins, bands)`, to power per Bark for noise of RMS 1.

    A bin spreads its power evenly over its width.
    """
    edges = _hertz(torch.arange(_number(rate) + 1, dtype=torch.float64) * WIDTH + LOWEST)
    step = rate / size
    low = ((torch.arange(size // 2 + 1, dtype=torch.float64) - 0.5) * step)[:, None]
    shared = torch.minimum(edges[1:], low + step) - torch.maximum(edges[:-1], low)
    return shared.clamp(min=0) / step / WIDTH / (size / 2)
