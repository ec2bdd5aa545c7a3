"""The activation of audio codecs with its gradient in closed form, which keeps a third as much.

`x + sin^2(a x) / a` (Ziyin et al., arXiv:2006.08195). Its derivatives are
`1 + sin(2 a x)` in x and `(x sin(2 a x) - sin^2(a x) / a) / a` in a: one sine instead of a sine, a
cosine and ten products. Where samples are many and channels few, that is what a step costs.
"""

from typing import Any

import torch
from torch import Tensor

GUARD = 1e-9
"""Added to the divisor, as descript-audio-codec does."""


def snake(x: Tensor, rate: Tensor) -> Tensor:
    """Bend `(batch, channels, time)` at `rate` `(channels,)`; in the precision of x."""
    return _Snake.apply(x, rate)


class _Snake(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, rate: Tensor) -> Tensor:
        a = rate.to(x.dtype)[:, None]
        added = (a * x).sin_().square_().div_(a + GUARD)
        ctx.save_for_backward(x, rate, added)
        return x + added

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor]:
        (grad,) = grads
        x, rate, added = ctx.saved_tensors
        a = rate.to(x.dtype)[:, None]
        slope = (2 * a * x).sin_()
        of_rate = (slope * x).sub_(added).mul_(grad).sum((0, 2), dtype=rate.dtype)
        return slope.mul_(a / (a + GUARD)).add_(1.0).mul_(grad), of_rate / (rate + GUARD)
