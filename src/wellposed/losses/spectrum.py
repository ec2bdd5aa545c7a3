"""Losses on spectra as they are, without compression: loud parts count most.

Each takes complex spectra `(batch, ..., frames, bins)` and returns one value per example: zero
when the two are equal, with bounded or linear slopes everywhere, and sensitive to level.
"""

import torch
from torch import Tensor


def real_imaginary(estimate: Tensor, reference: Tensor, weights: Tensor | None = None) -> Tensor:
    """Mean absolute difference of real parts plus that of imaginary parts.

    `weights` `(bins,)` of mean 1 say how much each frequency counts; None: all alike. Source: Yu
    et al., "High fidelity speech enhancement with band-split RNN", 2023, arXiv:2212.00406.
    """
    gap = _wide(estimate) - _wide(reference)
    each = gap.real.abs() + gap.imag.abs()
    return (each if weights is None else each * weights).flatten(1).mean(1)


def consistency(estimate: Tensor, reference: Tensor) -> Tensor:
    """Mean squared distance of a spectrum from the spectrum of the signal that it becomes.

    `estimate` is the spectrum that a network has made, `reference` the transform of its inverse.
    They differ where neighbouring frames contradict each other, and what contradicts is lost in the
    inverse. Source: Lu, Ai and Ling, 2023, arXiv:2308.08926, STFT consistency.
    """
    gap = _wide(estimate) - _wide(reference)
    return (gap.real.square() + gap.imag.square()).flatten(1).mean(1)


def _wide(spectrum: Tensor) -> Tensor:
    wide = spectrum.dtype in (torch.complex64, torch.complex128)
    return spectrum if wide else spectrum.to(torch.complex64)
