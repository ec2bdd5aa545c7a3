"""Losses on spectra whose magnitudes are compressed by a power, as the ear does roughly.

Each takes complex spectra `(batch, ..., frames, bins)` and returns one value per example:
zero when the two are equal, finite with finite gradients on silence in every precision, and
sensitive to level. They compute in float32 (or float64), whatever precision surrounds them:
in half precision the floor would round to zero and the gradient at zero become 0 * inf.

Source of form and exponent: Braun and Tashev, "Data augmentation and loss normalization for
deep noise suppression", 2020, arXiv:2008.06412.
"""

import torch
from torch import Tensor

EXPONENT = 0.3
"""Compression of magnitudes (arXiv:2008.06412, section 2.3)."""

FLOOR = 1e-6
"""Added to the power of every bin, for spectra scaled to unit power of the mixture: -60 dB.
It bounds the slope at zero to FLOOR ** ((EXPONENT - 1) / 2) = 126, against 0.3 at 0 dB."""


def compressed_complex(
    estimate: Tensor,
    reference: Tensor,
    exponent: float = EXPONENT,
    floor: float = FLOOR,
    weights: Tensor | None = None,
) -> Tensor:
    """Mean squared distance of `z * |z| ** (exponent - 1)`: magnitude and phase together.

    `weights` `(bins,)` of mean 1 say how much each frequency counts; None: all alike.
    """
    gap = _compress(estimate, exponent, floor) - _compress(reference, exponent, floor)
    return _mean(_square(gap), weights)


def compressed_magnitude(
    estimate: Tensor,
    reference: Tensor,
    exponent: float = EXPONENT,
    floor: float = FLOOR,
    weights: Tensor | None = None,
) -> Tensor:
    """Mean squared distance of `|z| ** exponent`: blind to phase. `weights` as above."""
    first = (_square(_wide(estimate)) + floor) ** (exponent / 2)
    second = (_square(_wide(reference)) + floor) ** (exponent / 2)
    return _mean((first - second).square(), weights)


def _mean(values: Tensor, weights: Tensor | None) -> Tensor:
    if weights is not None:
        values = values * weights
    return values.flatten(1).mean(1)


def _compress(spectrum: Tensor, exponent: float, floor: float) -> Tensor:
    spectrum = _wide(spectrum)
    return spectrum * (_square(spectrum) + floor) ** ((exponent - 1) / 2)


def _square(spectrum: Tensor) -> Tensor:
    """Power without `abs`, whose gradient at zero is undefined."""
    return spectrum.real.square() + spectrum.imag.square()


def _wide(spectrum: Tensor) -> Tensor:
    wide = spectrum.dtype in (torch.complex64, torch.complex128)
    return spectrum if wide else spectrum.to(torch.complex64)
