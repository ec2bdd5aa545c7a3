"""What sources at given places explain of data, and the Gauss-Newton step from there.

Given places, the best amplitudes are a least-squares solution; what is left of the data is a
function of the places alone. Its slope and Kaufman's form of its Gauss-Newton matrix need inner
products of responses and their derivatives and nothing of the size of the data any more.
Golub and Pereyra, "Separable nonlinear least squares", Inverse Problems 19 (2003).
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from wellposed.dsp.arrays.sensors import Array
from wellposed.dsp.arrays.wavefront import Coordinate, Places
from wellposed.dsp.power import power


class Local(NamedTuple):
    """The least squares at places, and how it changes around them."""

    residual: Tensor
    """`(...)` power that is left, summed over outputs and columns"""
    left: Tensor
    """`(..., outputs, columns)` what is left"""
    amplitudes: Tensor
    """`(..., sources, columns)`"""
    missed: Tensor
    """`(..., sources)` power that each source explains and the others, freed, would not"""
    slope: Tensor
    """`(..., coordinates * sources)` half the gradient of the residual, coordinate by coordinate"""
    bend: Tensor
    """`(..., coordinates * sources, coordinates * sources)` half the Gauss-Newton matrix"""


def local(
    array: Array,
    data: Tensor,
    places: Places,
    by: Sequence[Coordinate],
    there: Tensor | None = None,
) -> Local:
    """Look at `data` `(..., outputs, columns)` from `places` `(..., sources)`.

    Sources that are not `there` `(..., sources)` have no amplitude and do not move.
    """
    seen = array.jet(places, by)
    sources = seen.shape[-1] // (1 + len(by))
    if there is not None:
        seen = seen * there.repeat(*[1] * (there.ndim - 1), 1 + len(by))[..., None, :]
    inner = seen.mH @ seen
    own, across, beyond = (
        inner[..., :sources, :sources],
        inner[..., :sources, sources:],
        inner[..., sources:, sources:],
    )
    inverse = torch.linalg.inv(_lifted(own, seen.shape[-2]))
    response = seen[..., :sources]
    along = seen.mH @ data
    amplitudes = inverse @ along[..., :sources, :]
    # Once more on what is left: it takes back what the lifted diagonal has changed.
    along = along - inner[..., :sources] @ amplitudes
    more = inverse @ along[..., :sources, :]
    amplitudes = amplitudes + more
    left = data - response @ amplitudes
    missed = power(amplitudes).sum(-1) / inverse.diagonal(dim1=-2, dim2=-1).real
    tied = amplitudes.repeat(*[1] * (amplitudes.ndim - 2), len(by), 1)
    along = along[..., sources:, :] - across.mH @ more
    slope = -(along * tied.conj()).sum(-1).real
    bend = ((beyond - across.mH @ (inverse @ across)) * (tied @ tied.mH).mT).real
    residual = power(left).sum((-2, -1))
    return Local(residual, left, amplitudes, missed, slope, bend)


def _lifted(inner: Tensor, outputs: int) -> Tensor:
    """Inner products of responses, their diagonal raised by as much as rounding may be.

    Two sources in one place then have finite amplitudes; one that is not there, or that nothing
    arrives of, has amplitude zero.
    """
    diagonal = inner.diagonal(dim1=-2, dim2=-1).real
    largest = diagonal.amax(-1, keepdim=True)
    eps = torch.finfo(diagonal.dtype).eps
    unit = torch.where(largest > 0, largest, 1.0)
    lift = torch.where(diagonal <= eps * largest, unit, outputs * eps * unit)
    return inner + torch.diag_embed(lift).to(inner)
