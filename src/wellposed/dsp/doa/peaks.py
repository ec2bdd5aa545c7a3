"""Local maxima of spectra in one to three dimensions."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional


class Peaks(NamedTuple):
    """Highest first."""

    index: Tensor
    """`(..., count)` into the flattened spectrum"""
    value: Tensor
    """`(..., count)`"""
    real: Tensor
    """`(..., count)` whether it is a local maximum; where those ran out, the highest other point"""


def peaks(spectrum: Tensor, shape: Sequence[int], count: int, wrapped: Sequence[int] = ()) -> Peaks:
    """Find the `count` highest local maxima of `spectrum` `(..., points)` over axes of `shape`.

    A maximum is at least as high as its neighbours, diagonal ones too. Axes in `wrapped` close on
    themselves, as azimuth over a whole turn does.
    """
    highest = _highest_around(spectrum, shape, wrapped)
    top = spectrum >= highest
    # Whatever is no maximum is ranked below all that are, in order of its value.
    low, high = spectrum.amin(-1, keepdim=True), spectrum.amax(-1, keepdim=True)
    ranked = torch.where(top, spectrum, spectrum - 2 * (high - low) - 1)
    index = ranked.topk(count, dim=-1).indices
    return Peaks(index, spectrum.gather(-1, index), top.gather(-1, index))


def _highest_around(spectrum: Tensor, shape: Sequence[int], wrapped: Sequence[int]) -> Tensor:
    """Largest value among a point and its neighbours: one axis after the other."""
    values = spectrum.unflatten(-1, tuple(shape))
    for axis, length in enumerate(shape):
        if length == 1:
            continue
        lines = values.movedim(axis - len(shape), -1)
        flat = lines.reshape(-1, 1, length)
        if axis in wrapped:
            flat = functional.pad(flat, (1, 1), mode="circular")
        else:
            flat = functional.pad(flat, (1, 1), value=-math.inf)
        around = functional.max_pool1d(flat, 3, stride=1).reshape(lines.shape)
        values = around.movedim(-1, axis - len(shape))
    return values.flatten(-len(shape))
