"""One frame of the selective scan, in a handful of plain operations that export anywhere."""
# ruff: noqa: N803, N806 - A, B, C are the names of the literature.

import torch
from torch import Tensor

from wellposed.nn.scan.fused import decaying


def selective_step(
    h: Tensor, u: Tensor, dt: Tensor, A: Tensor, B: Tensor, C: Tensor, *, exact: bool = True
) -> tuple[Tensor, Tensor]:
    """Output `(batch, channels)` and next state `(batch, channels, states)` after state `h`.

    `u` and `dt` are `(batch, channels)`, `A` `(channels, states)`, `B` and `C` `(batch, states)`:
    one frame of `selective_scan`, without its D and z.
    """
    u, dt, B = u.unsqueeze(-1), dt.unsqueeze(-1), B.unsqueeze(1)
    if exact:
        A = decaying(A)
        h = h - torch.expm1(dt * A) * (-u * B / A - h)
    else:
        h = torch.exp(dt * A) * h + dt * u * B
    return (h * C.unsqueeze(1)).sum(-1), h
