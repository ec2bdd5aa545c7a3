"""The selective scan one frame after the other, to look at what it never forms, or to change it.

Every engine of the scan keeps decays and states to itself, which is what makes it fast. Here each
frame forms them, lets somebody look, and goes on with what comes back.
"""

from collections.abc import Callable
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from wellposed.nn.scan.fused import decaying

PassOn = Callable[[str, Tensor], Tensor]
"""Name of a quantity and its values of some frames to the values that are gone on with."""

HIDDEN = ("memory", "dt_A", "A_bar", "B_bar", "h", "y")
"""Quantities in the order of their making: memory 1 / dt [frames]; dt A; the decay A_bar =
exp(dt A); B_bar, the factor of the input, B expm1(dt A) / A, or dt B where the hold is Euler's;
the states h; the outputs y = sum of C h."""


class Held(NamedTuple):
    """What a scan is made of, by channels as in `selective_scan` or by heads as in `ssd`."""

    u: Tensor
    dt: Tensor
    rates: Tensor
    b: Tensor
    c: Tensor
    h: Tensor
    """State before the first frame."""
    hold: Literal["exact", "euler"]


class Walked(NamedTuple):
    """Outputs like `u`, and the last state."""

    y: Tensor
    h: Tensor


@torch.no_grad()
def walk(held: Held, pass_on: PassOn) -> Walked:
    """Walk through all frames; the arithmetic is that of `selective_step`."""
    # `dt` of a head serves all of its channels: (batch, frames, heads, 1, 1) beside
    # (batch, frames, channels, 1).
    own = (1,) * (held.h.dim() - held.dt.dim() + 1)
    dt = held.dt.reshape(*held.dt.shape, *own)
    rates = held.rates.reshape(*held.rates.shape, *(1,) * (held.h.dim() - 1 - held.rates.dim()))
    b, c = (x.reshape(*x.shape[:2], *(1,) * (held.h.dim() - 2), -1) for x in (held.b, held.c))
    pass_on("memory", 1 / held.dt)
    exact = held.hold == "exact"
    rates = decaying(rates) if exact else rates
    h, outputs = held.h, []
    for frame in range(held.u.shape[1]):
        x = pass_on("dt_A", dt[:, frame] * rates)
        gain = torch.expm1(x) / rates if exact else dt[:, frame]
        decay = pass_on("A_bar", torch.exp(x))
        driven = pass_on("B_bar", gain * b[:, frame])
        h = pass_on("h", decay * h + driven * held.u[:, frame].unsqueeze(-1))
        outputs.append(pass_on("y", (h * c[:, frame]).sum(-1)))
    return Walked(torch.stack(outputs, 1), h)
