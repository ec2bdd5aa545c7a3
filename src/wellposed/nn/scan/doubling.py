"""The selective scan by doubling: few, plain operations on whole sequences, for exported graphs.

Every round joins spans of frames to spans of twice the length (Hillis and Steele, 1986):

    h <- h + a * h[k frames earlier],   a <- a * a[k frames earlier],   k = 1, 2, 4, ...

so `frames` of them take log2(frames) rounds, without a loop in the graph and without a division
by a product of decays. It holds all states at once: for short sequences.
"""
# ruff: noqa: N803 - A, B, C are the names of the literature.

import torch
from torch import Tensor
from torch.nn import functional

from wellposed.nn.scan.fused import decaying


def scan_doubling(
    u: Tensor, dt: Tensor, A: Tensor, B: Tensor, C: Tensor, h0: Tensor, *, exact: bool
) -> tuple[Tensor, Tensor]:
    """As `scan_reference`, differentiable as often as one likes."""
    x = dt.unsqueeze(-1) * A
    drive = u.unsqueeze(-1) * B.unsqueeze(2)
    h = torch.expm1(x) * (drive / decaying(A)) if exact else dt.unsqueeze(-1) * drive
    a = torch.exp(x)
    first = h[:, :1] + a[:, :1] * h0.unsqueeze(1)
    h = torch.cat((first, h[:, 1:]), dim=1)
    span, frames = 1, u.shape[1]
    while span < frames:
        earlier = (0, 0, 0, 0, span, 0)
        h = h + a * functional.pad(h[:, :-span], earlier)
        a = a * functional.pad(a[:, :-span], earlier, value=1.0)
        span *= 2
    return (h * C.unsqueeze(2)).sum(-1), h[:, -1]
