"""Losses of extraction: (estimate, reference), each `(batch, time)`, to one value per example."""

import math

import torch
from torch import Tensor

FLOOR = 1e-10
"""Added to powers, for signals scaled to unit power of the mixture: keeps silence finite."""


def soft_error_db(
    estimate: Tensor, reference: Tensor, mixture: Tensor | None = None, floor: float = 1e-3
) -> Tensor:
    """Energy of the error relative to the mixture's [dB], from 0 where there is none.

    `10 log10((|e - s|^2 + floor |x|^2) / (floor |x|^2))`, with the reference in place of a mixture
    that is not given. Where the reference is silent, it is the energy that leaks. It is never
    negative, does not change when all are scaled alike, and its slope per decibel goes from 1 at
    the mixture's level to 0 below `floor`: silence is not rewarded without end.
    """
    estimate, reference = _wide(estimate), _wide(reference)
    whole = reference if mixture is None else _wide(mixture)
    power = floor * (whole.square().mean(-1) + FLOOR)
    return 10 * torch.log10(1 + (estimate - reference).square().mean(-1) / power)


def squared_log_gain(estimate: Tensor, reference: Tensor, least: float = 0.5) -> Tensor:
    """Square of the natural logarithm of the reference's gain inside the estimate.

    The gain is the projection `<e, s> / <s, s>`, so that an error that has nothing of the
    reference does not count as level, as it does in a ratio of powers. Below `least` it goes on as
    its tangent: half of the amplitude is nearer to something else than to the reference at a wrong
    level, and the logarithm's slope there, 120 at a gain of 0.05, would outweigh all other items.
    A negative gain counts as none, without a slope.
    """
    estimate, reference = _wide(estimate), _wide(reference)
    own = reference.square().sum(-1)
    gain = ((estimate * reference).sum(-1) / (own + FLOOR)).clamp(min=0.0)
    edge = math.log(least)
    tangent = edge**2 + 2 * edge / least * (gain - least)
    return torch.where(gain < least, tangent, gain.clamp(min=least).log().square())


def _wide(waveform: Tensor) -> Tensor:
    """At least float32, as powers need."""
    return waveform.to(torch.promote_types(waveform.dtype, torch.float32))
