"""Levels: decibels, and the running power that a network may know without seeing the future."""

import torch
from torch import Tensor
from torch.nn import functional

POWER_FLOOR = 1e-10
"""-100 dB re full scale: just below the dither of 16-bit audio (-98 dBFS for rectangular
dither of one step, 20 log10(2**-15 / sqrt(12))). A level below it counts as silence."""


def power_db(power: Tensor) -> Tensor:
    """Power ratio in dB; zero power gives -inf, as it should."""
    return 10 * torch.log10(power)


def running_mean(values: Tensor, length: int, lookahead: int) -> Tensor:
    """Mean over a sliding window of `length` frames, of which `lookahead` lie in the future.

    `values` is `(batch, frames)`. At the edges the mean runs over the frames that exist. The
    memory is finite: frames further away than `length` have no influence whatever, so
    pieces of a long recording can be processed apart.
    """
    past = length - 1 - lookahead
    padded = functional.pad(values.unsqueeze(1), (past, lookahead))
    exists = functional.pad(torch.ones_like(values[:1]).unsqueeze(1), (past, lookahead))
    total = functional.avg_pool1d(padded, length, stride=1)
    share = functional.avg_pool1d(exists, length, stride=1)
    return (total / share).squeeze(1)


def continued_mean(
    values: Tensor, past: Tensor, seen: Tensor
) -> tuple[Tensor, tuple[Tensor, Tensor]]:
    """`running_mean` without lookahead, piece by piece: the same numbers, bit for bit.

    `values` is `(batch, frames)` with at least one frame, `past` the `length - 1` values before
    them (zeros before the first) and `seen` `(batch, 1)` how many of those there were. Returns
    the means, and `past` and `seen` for the next piece. Every mean is summed afresh from
    its window: a running sum would drift.
    """
    length, frames = past.shape[1] + 1, values.shape[1]
    known = torch.cat((past, values), dim=1)
    total = functional.avg_pool1d(known.unsqueeze(1), length, stride=1).squeeze(1)
    counts = torch.arange(1, frames + 1, dtype=seen.dtype, device=seen.device) + seen
    share = counts.clamp(max=length) / length
    left = (seen + frames).clamp(max=length - 1)
    return total / share, (known[:, frames:], left)


def compression_gain(power: Tensor, level: Tensor, exponent: float) -> Tensor:
    """Gain that compresses bins of `power` `(..., bins)` relative to a `level` `(...)` of power.

    What comes out does not depend on the level of the signal. The floor keeps the slope of the
    compression finite; it lies below the -60 dB to which the losses resolve a spectrum.
    """
    level = (level + POWER_FLOOR).unsqueeze(-1)
    return (power / level + 1e-8) ** ((exponent - 1) / 2) * level.rsqrt()
