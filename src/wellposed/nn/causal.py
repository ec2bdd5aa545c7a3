"""Causal convolutions with weight normalisation, and the activation of audio codecs.

A layer says what it computes; a `Tape` says how: over a whole signal in the precision of training
(`Whole`), or piece by piece with the past kept, in arithmetic that gives the same bits for every
cut (`nn.exact.Stream`). So one description of a network serves training, files and streams.
"""

from typing import NamedTuple, Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional

from wellposed.nn.snake import snake


class Kernel(NamedTuple):
    """What a convolution multiplies with."""

    weight: Tensor
    """(out, in, taps)"""
    bias: Tensor | None
    """(out,)"""


class Linear(Protocol):
    """A causal convolution: the newest tap lies on the newest sample of each output."""

    stride: int
    dilation: int
    past: int
    """Samples of input needed before the first one."""

    def kernel(self) -> Kernel:
        """Return weights and bias as they are now."""
        ...


class Tape(Protocol):
    """How the layers of a network compute."""

    def convolve(self, layer: Linear, x: Tensor) -> Tensor:
        """Convolve `(batch, in, time)` to `(batch, out, time / stride)`, given all of its past."""
        ...

    def settle(self, x: Tensor) -> Tensor:
        """Bring values to the numbers that this arithmetic knows."""
        ...


class Whole:
    """A whole signal at once with silence before it; the precision is that of the input."""

    def convolve(self, layer: Linear, x: Tensor) -> Tensor:
        """Convolve with zeros before the first sample."""
        weight, bias = layer.kernel()
        x = functional.pad(x, (layer.past, 0)) if layer.past else x
        return functional.conv1d(x, weight, bias, layer.stride, dilation=layer.dilation)

    def settle(self, x: Tensor) -> Tensor:
        """Return the values as they are."""
        return x


class CausalConv(nn.Module):
    """Convolution `(batch, in, time)` to `(batch, out, time / stride)` that never looks ahead.

    With a stride, output `j` sees inputs up to `(j + 1) * stride - 1`: the block that ends there.
    Rows of the weight are `gain * v / |v|` (Salimans and Kingma, arXiv:1602.07868).
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        taps: int,
        *,
        stride: int = 1,
        dilation: int = 1,
        bias: bool = True,
        gain: float = 1.0,
    ) -> None:
        """Draw directions; every row has the norm `gain`, so that levels pass as they are."""
        super().__init__()
        self.stride, self.dilation = stride, dilation
        self.past = (taps - 1) * dilation + 1 - stride
        if self.past < 0:
            raise ValueError(f"{taps} taps leave gaps at a stride of {stride}; want at least that")
        self.direction = nn.Parameter(torch.randn(outputs, inputs, taps))
        self.gain = nn.Parameter(torch.full((outputs,), gain))
        self.bias = nn.Parameter(torch.zeros(outputs)) if bias else None

    def kernel(self) -> Kernel:
        """Return the normalised weight and the bias."""
        norm = self.direction.square().sum((1, 2), keepdim=True).sqrt() + 1e-12
        return Kernel(self.direction * (self.gain[:, None, None] / norm), self.bias)

    @torch.no_grad()
    def assign(self, weight: Tensor) -> None:
        """Take over `weight` `(out, in, taps)`, no row of which is zero.

        Directions get the length that drawn ones have, the root of their number of entries: a step
        of Adam, alike for every entry, then turns all rows of a network by angles alike.
        """
        norm = weight.square().sum((1, 2)).sqrt().clamp(min=1e-12)
        self.direction.copy_(weight / norm[:, None, None] * weight[0].numel() ** 0.5)
        self.gain.copy_(norm)

    def forward(self, x: Tensor, tape: Tape) -> Tensor:
        """Convolve."""
        return tape.settle(tape.convolve(self, x))


class CausalUpsample(nn.Module):
    """Transposed convolution of `2 * stride` taps `(batch, in, time)` to `(batch, out, time *
    stride)`: block `j` of the output is made of inputs `j` and `j - 1`, whatever the stride.

    Written as a convolution of two taps that makes all samples of a block: the same sum.
    """

    def __init__(self, inputs: int, outputs: int, stride: int, *, bias: bool = True) -> None:
        """Make a filter of `2 * stride` taps for every pair of channels."""
        super().__init__()
        self.stride = stride
        self.blocks = CausalConv(inputs, outputs * stride, 2, bias=bias)

    def forward(self, x: Tensor, tape: Tape) -> Tensor:
        """Upsample."""
        made = self.blocks(x, tape)
        batch, channels, time = made.shape
        made = made.reshape(batch, channels // self.stride, self.stride, time)
        return made.transpose(2, 3).reshape(batch, channels // self.stride, time * self.stride)


class Snake(nn.Module):
    """`x + sin^2(a x) / a` with a learned `a` per channel (Ziyin et al., arXiv:2006.08195)."""

    def __init__(self, channels: int) -> None:
        """Start at a = 1, as descript-audio-codec does."""
        super().__init__()
        self.rate = nn.Parameter(torch.ones(channels))

    def forward(self, x: Tensor, tape: Tape) -> Tensor:
        """Apply to `(batch, channels, time)`."""
        return tape.settle(snake(x, self.rate))


class ResidualUnit(nn.Module):
    """Snake, 7 taps with a dilation, Snake, 1 tap, added to the input."""

    def __init__(self, channels: int, dilation: int, *, bias: bool = True, gain: float) -> None:
        """`gain` is that of what is added: small enough for many units in a row."""
        super().__init__()
        self.first, self.second = Snake(channels), Snake(channels)
        self.wide = CausalConv(channels, channels, 7, dilation=dilation, bias=bias)
        self.narrow = CausalConv(channels, channels, 1, bias=bias, gain=gain)

    def forward(self, x: Tensor, tape: Tape) -> Tensor:
        """Apply to `(batch, channels, time)`."""
        inner = self.wide(self.first(x, tape), tape)
        return x + self.narrow(self.second(inner, tape), tape)


def bounded(x: Tensor) -> Tensor:
    """Clamp to full scale with the gradient of the identity.

    A tanh bends what is below full scale and loses its gradient above; a clamp alone loses it, too.
    """
    return x.clamp(-1.0, 1.0).detach() + (x - x.detach())
