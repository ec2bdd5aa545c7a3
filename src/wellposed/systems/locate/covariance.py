"""The hybrid covariance: factors of a network blended with the data, one function for everything.

Each proposal is a direction (the angle factor) with weights over curvatures (the range factor):
R = (1 - b) sum_k p_k sum_j q_kj a_kj a_kj^H / trace + b x x^H, x being the waves of unit length
that the data themselves give. No label is among its arguments.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from wellposed.dsp.arrays.sensors import Array
from wellposed.dsp.arrays.wavefront import Places
from wellposed.dsp.subspace import signal_subspace


class Factors(NamedTuple):
    """What the network says of its proposals, `(batch, slots, ...)`."""

    u: Tensor
    v: Tensor
    power: Tensor
    """Relative, not negative"""
    curvature: Tensor
    """`(batch, slots, curvatures)`: shares"""


def hybrid(factor: Tensor, waves: Tensor, blend: float) -> Tensor:
    """Covariance `(batch, elements, elements)` of trace one.

    `factor` `(batch, elements, columns)` of F F^H, `waves` `(batch, elements)` of unit length.
    """
    power = factor.abs().square().sum((-2, -1)).clamp(min=1e-12)
    made = factor * ((1 - blend) / power).sqrt()[:, None, None]
    data = blend**0.5 * waves[..., None]
    whole = torch.cat((made, data), -1)
    return whole @ whole.mH


def factor_of(elements: Array, places: Places, factors: Factors) -> Tensor:
    """F `(batch, elements, slots * curvatures)`; `places` `(batch, slots, curvatures)`."""
    flat = Places(*(each.flatten(1) for each in torch.broadcast_tensors(*places)))
    weight = (factors.power[..., None] * factors.curvature).clamp(min=1e-12).sqrt().flatten(1)
    return elements.response(flat) * weight[:, None, :]


def leading(covariance: Tensor, count: Tensor) -> Tensor:
    """Projector on the `count` leading eigenvectors, with a gradient that is finite."""
    return signal_subspace(covariance, count).projector
