"""The hybrid covariance: factors of a network blended with the data, one function for everything.

Each proposal is a direction (the angle factor) with weights over curvatures (the range factor):
R = (1 - b) sum_k p_k sum_j q_kj a_kj a_kj^H / trace + b X X^H, X being the waves that the data
themselves give, all columns together of unit length. No label is among its arguments.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from wellposed.dsp.arrays.sensors import Array
from wellposed.dsp.arrays.wavefront import Places


class Factors(NamedTuple):
    """What the network says of its proposals, `(batch, slots, ...)`."""

    u: Tensor
    v: Tensor
    power: Tensor
    """Relative, not negative"""
    curvature: Tensor
    """`(batch, slots, curvatures)`: shares"""


def hybrid(factor: Tensor, waves: Tensor, blend: float) -> Tensor:
    """Root Q `(batch, elements, columns)` of the covariance Q Q^H, of trace one.

    `factor` of F F^H and `waves`, of unit length, are `(batch, elements, some columns)`.
    """
    power = factor.abs().square().sum((-2, -1)).clamp(min=1e-12)
    made = factor * ((1 - blend) / power).sqrt()[:, None, None]
    return torch.cat((made, blend**0.5 * waves), -1)


def factor_of(elements: Array, places: Places, factors: Factors) -> Tensor:
    """F `(batch, elements, slots * curvatures)`; `places` `(batch, slots, curvatures)`."""
    flat = Places(*(each.flatten(1) for each in torch.broadcast_tensors(*places)))
    weight = (factors.power[..., None] * factors.curvature).clamp(min=1e-12).sqrt().flatten(1)
    return elements.response(flat) * weight[:, None, :]


def leading(root: Tensor, most: int) -> Tensor:
    """Eigenvectors `(batch, elements, most)` of Q Q^H, those of the largest eigenvalues first.

    From Q^H Q, which is small: 31 columns of 144 elements take a tenth of the time. An eigenvalue
    that is rounding has a vector of zeros.
    """
    values, vectors = torch.linalg.eigh(root.mH @ root)
    values, vectors = values[..., -most:].flip(-1), vectors[..., -most:].flip(-1)
    least = root.shape[-1] * torch.finfo(values.dtype).eps * values[..., :1]
    scale = torch.where(values > least, values.clamp(min=least).rsqrt(), 0.0)
    return root @ (vectors * scale[..., None, :])
