"""Losses on levels: (estimate, reference), each `(batch, time)`, to one value per example."""

import torch
from torch import Tensor

FLOOR = 1e-3
"""Added to both powers, for signals scaled to unit power of the mixture: -30 dB. Speech that is
present lies above (at -5 dB SNR, 60 % of it pauses: -10 dB), what is left of noise below."""


def level_distance(estimate: Tensor, reference: Tensor, floor: float = FLOOR) -> Tensor:
    """Distance of mean powers, absolute [B]: a tenth per dB. Blind to content: a term, no loss.

    Spectral distances are least where uncertain speech is too quiet, as a mean of
    possible spectra is smaller than each of them. An absolute value has its minimum at the
    median level, whatever its weight in a sum makes of that.
    """
    estimate, reference = _wide(estimate), _wide(reference)
    powers = estimate.square().mean(-1) + floor, reference.square().mean(-1) + floor
    return (torch.log10(powers[0]) - torch.log10(powers[1])).abs()


def _wide(waveform: Tensor) -> Tensor:
    """At least float32, as powers need."""
    return waveform.to(torch.promote_types(waveform.dtype, torch.float32))
