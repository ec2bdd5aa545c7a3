"""Fisher information of a Gaussian covariance with any parameters (Slepian 1954, Bangs 1971)."""

import torch
from torch import Tensor

from wellposed.metrics.bounds.fisher import Fisher


def slepian_bangs(covariance: Tensor, slopes: Tensor) -> Tensor:
    """F_ij = sum_l tr(R_l^-1 dR_l/di R_l^-1 dR_l/dj), `(..., parameters, parameters)`.

    `covariance` is `(..., observations, n, n)`, one independent circular Gaussian vector each,
    `slopes` `(..., observations, parameters, n, n)`.
    """
    factor = torch.linalg.cholesky(covariance).unsqueeze(-3)
    half = torch.linalg.solve_triangular(factor, slopes, upper=False)
    white = torch.linalg.solve_triangular(factor, half.mH, upper=False).flatten(-2)
    return (white.conj() @ white.transpose(-1, -2)).real.sum(-3)


def reduced(whole: Tensor, wanted: int) -> Fisher:
    """Information on the first `wanted` parameters, the others unknown."""
    scale = whole.diagonal(dim1=-2, dim2=-1)
    unit = scale.clamp(min=torch.finfo(scale.dtype).tiny).rsqrt()
    scaled = whole * unit[..., None] * unit[..., None, :]
    cross, others = scaled[..., :wanted, wanted:], scaled[..., wanted:, wanted:]
    # A nuisance that cannot be told from another costs nothing more than one of them.
    lost = cross @ torch.linalg.pinv(others, hermitian=True) @ cross.mT
    size = scale[..., :wanted].sqrt()
    matrix = (scaled[..., :wanted, :wanted] - lost) * size[..., None] * size[..., None, :]
    return Fisher(matrix, scale[..., :wanted])
