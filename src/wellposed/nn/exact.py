"""Convolutions whose bits do not depend on how a signal is cut, nor on threads, nor on the machine.

The order in which a library adds products depends on shapes, threads and processors, and with it
the last bits of a float sum. Here every sum is exact, hence the same in any order: values are
multiples of 2^-16 below 2^10, weights are rounded so that the absolute sum of a row is below 2^26
of their unit, and products are added in float64, which holds integers up to 2^53 exactly. What is
left to the machine is the sine of `Snake`, which is rounded to 2^-16 from 2^-52.
"""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from wellposed.nn.causal import Linear

FRACTION_BITS = 16
"""Values are multiples of 2^-16: -96 dB re 1, the rounding of 16-bit audio."""
RANGE_BITS = 10
"""Values beyond +-2^10 are clamped. Units of a trained network are of the order of 1."""
ROW_BITS = 53 - 1 - FRACTION_BITS - RANGE_BITS
"""Absolute sum of the weights of a row, in their unit; one bit is left for the bias."""


class Prepared(NamedTuple):
    """A kernel in exact numbers."""

    taps: tuple[Tensor, ...]
    """float64 `(out, in)`, or `(out, in * stride)` of a strided one: oldest first."""
    bias: Tensor | None
    """float64 `(out, 1)`"""


class Stream:
    """A signal that comes in pieces: remembers the past of every layer, adds exactly.

    The network must not change while the stream lasts: its kernels are rounded once.
    """

    def __init__(self) -> None:
        """Begin with silence."""
        self._kernels: dict[Linear, Prepared] = {}
        self._past: dict[Linear, Tensor] = {}

    @torch.no_grad()
    def convolve(self, layer: Linear, x: Tensor) -> Tensor:
        """Convolve the next piece, float64 `(batch, in, time)`, its time a multiple of the stride.

        The values of `x` must be settled.
        """
        if layer not in self._kernels:
            self._kernels[layer] = prepared(layer)
        kernel = self._kernels[layer]
        if layer.past:
            past = self._past.get(layer)
            x = functional.pad(x, (layer.past, 0)) if past is None else torch.cat([past, x], -1)
            self._past[layer] = x[..., x.shape[-1] - layer.past :].clone()
        if layer.stride > 1:
            x = x.unflatten(-1, (-1, layer.stride)).transpose(2, 3).flatten(1, 2)
        reach = 1 if layer.stride > 1 else layer.dilation
        length = x.shape[-1] - (len(kernel.taps) - 1) * reach
        total: Tensor | None = None
        for number, weight in enumerate(kernel.taps):
            piece = x[..., number * reach : number * reach + length]
            each = weight.expand(len(x), -1, -1)
            # Products in any order: all partial sums are integers that float64 holds.
            total = torch.bmm(each, piece) if total is None else total.baddbmm_(each, piece)
        assert total is not None
        return total if kernel.bias is None else total.add_(kernel.bias)

    def settle(self, x: Tensor) -> Tensor:
        """Round to the grid and clamp."""
        scaled = (x.double() * 2.0**FRACTION_BITS).round_()
        edge = 2.0 ** (FRACTION_BITS + RANGE_BITS)
        return scaled.clamp_(-edge, edge).mul_(2.0**-FRACTION_BITS)


@torch.no_grad()
def prepared(layer: Linear) -> Prepared:
    """Round the kernel of a layer. Raises ValueError: weights that are not finite."""
    weight, bias = layer.kernel()
    weight = weight.double()
    heaviest = float(weight.abs().sum((1, 2)).max())
    if bias is not None:
        # The bias, of the unit of a product, must fit into the same sum.
        heaviest = max(heaviest, float(bias.abs().max()) * 2.0**-RANGE_BITS)
    if not heaviest < float("inf"):
        raise ValueError("a weight is NaN or infinite: there is no exact sum with it")
    # A rounded weight is off by half a unit at most, hence the row by half of its length.
    room = 2.0**ROW_BITS - weight[0].numel()
    unit = 2.0 ** -int(torch.tensor(room / max(heaviest, 1e-30)).log2().floor().clamp(-60, 60))
    weight = (weight / unit).round_() * unit
    if bias is not None:
        grid = unit * 2.0**-FRACTION_BITS
        bias = ((bias.double() / grid).round_() * grid)[:, None]
    width = layer.stride if layer.stride > 1 else 1
    pieces = weight.split(width, dim=2)
    return Prepared(tuple(piece.flatten(1).contiguous() for piece in pieces), bias)
