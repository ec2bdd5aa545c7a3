"""The selective scan one frame at a time, differentiated by autograd: what all others must equal.

Slow and plain. In float64 it is the oracle of the tests.
"""
# ruff: noqa: N803, N806 - A, B, C, D and G are the names of the literature.

import torch
from torch import Tensor

_SERIES_BELOW = 0.1
"""Where `expm1(x) / x` is taken from its series: the series has no 0/0, nor has its derivative.

Ten terms leave 0.1 ** 10 / 11! = 2e-18 of the value, less than the rounding of float64.
"""
_TERMS = 10


def scan_reference(
    u: Tensor, dt: Tensor, A: Tensor, B: Tensor, C: Tensor, h0: Tensor, *, exact: bool
) -> tuple[Tensor, Tensor]:
    """Outputs `(batch, frames, channels)` and the last state `(batch, channels, states)`.

    Shapes as in `selective_scan`; all in one dtype, which is also that of the arithmetic.
    """
    h, outputs = h0, []
    # unbind, not [:, t]: the backward of an index writes a whole zero tensor for every frame.
    for u_t, dt_t, B_t, C_t in zip(*(x.unbind(1) for x in (u, dt, B, C)), strict=True):
        h = advance(h, u_t, dt_t, A, B_t, exact=exact)
        outputs.append((h * C_t.unsqueeze(1)).sum(-1))
    return torch.stack(outputs, 1), h


def advance(h: Tensor, u: Tensor, dt: Tensor, A: Tensor, B: Tensor, *, exact: bool) -> Tensor:
    """State `(batch, channels, states)` one frame on, from `u`, `dt` `(batch, channels)`, `B`."""
    x = dt.unsqueeze(-1) * A
    drive = (dt * u).unsqueeze(-1) * B.unsqueeze(1)
    return x.exp() * h + (_relative_gain(x) * drive if exact else drive)


def _relative_gain(x: Tensor) -> Tensor:
    """`expm1(x) / x`, exact and differentiable at and near zero too."""
    near = x.abs() < _SERIES_BELOW
    # Both branches are differentiated: each gets arguments at which it is finite.
    small, large = torch.where(near, x, 0.0), torch.where(near, 1.0, x)
    series = torch.ones_like(x)
    for k in range(_TERMS, 1, -1):
        series = 1 + series * small / k
    return torch.where(near, series, torch.expm1(large) / large)
