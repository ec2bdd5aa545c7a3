"""Fisher information on places, and the bound that follows where there is one.

Sources: Stoica and Nehorai, "MUSIC, maximum likelihood, and Cramer-Rao bound", IEEE Trans. ASSP 37
(1989), and "Performance study of conditional and unconditional direction-of-arrival estimation",
ASSP 38 (1990); several parameters a source as in Yau and Bresler, IEEE Trans. SP 40 (1992).
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Fisher:
    """Information on wanted parameters, the others (amplitudes, powers, noise) being unknown."""

    matrix: Tensor
    """`(..., parameters, parameters)`"""
    scale: Tensor
    """`(..., parameters)`: the diagonal as it would be, were the others known. A matrix of pure
    rounding looks innocent by itself; beside this it does not."""

    def __add__(self, other: "Fisher") -> "Fisher":
        """Information of independent observations."""
        return Fisher(self.matrix + other.matrix, self.scale + other.scale)

    def summed(self) -> "Fisher":
        """Sum over independent observations, the last leading axis."""
        return Fisher(self.matrix.sum(-3), self.scale.sum(-2))

    def eigenvalues(self) -> Tensor:
        """Of the matrix in units of `scale`, ascending `(..., parameters)`: 1 is nothing lost."""
        unit = self.scale.clamp(min=torch.finfo(self.scale.dtype).tiny).rsqrt()
        return torch.linalg.eigvalsh(self.matrix * unit[..., None] * unit[..., None, :])

    def tolerance(self) -> float:
        """Largest eigenvalue that rounding makes of zero: parameters x epsilon, as for any sum.

        Taken ten times: the projection onto what the others leave was itself rounded.
        """
        return 10 * self.matrix.shape[-1] * torch.finfo(self.matrix.dtype).eps

    def rank(self) -> Tensor:
        """Number of directions of the parameters that the data determine `(...)`."""
        return (self.eigenvalues() > self.tolerance()).sum(-1)

    def bound(self) -> Tensor:
        """Covariance that no unbiased estimate beats; inf throughout where the rank is short."""
        whole = self.rank() == self.matrix.shape[-1]
        unit = self.scale.clamp(min=torch.finfo(self.scale.dtype).tiny).rsqrt()
        scaled = self.matrix * unit[..., None] * unit[..., None, :]
        eye = torch.eye(scaled.shape[-1], dtype=scaled.dtype, device=scaled.device)
        inverse = torch.linalg.inv(torch.where(whole[..., None, None], scaled, eye))
        inverse = inverse * unit[..., None] * unit[..., None, :]
        return torch.where(whole[..., None, None], inverse, math.inf)

    def deviations(self, sources: int) -> Tensor:
        """Square roots of the bound's diagonal, `(..., coordinates, sources)`."""
        return self.bound().diagonal(dim1=-2, dim2=-1).sqrt().unflatten(-1, (-1, sources))


def deterministic(response: Tensor, slopes: Tensor, powers: Tensor, noise: Tensor) -> Fisher:
    """Amplitudes unknown in every snapshot, noise power too.

    `response` `(..., outputs, sources)`, `slopes` `(..., coordinates, outputs, sources)` its
    derivatives, `noise` `(...)` the power in one output. `powers` `(..., sources, sources)` is the
    *sum* over snapshots of s s^H: T times their sample covariance.
    """
    bent = _blocks(slopes)
    tiled = powers.transpose(-1, -2).repeat(*[1] * (powers.ndim - 2), *[slopes.shape[-3]] * 2)
    weight = 2 / noise[..., None, None]
    projected = without(response, bent)
    matrix = weight * ((projected.mH @ projected) * tiled).real
    energy = bent.abs().square().sum(-2) * tiled.diagonal(dim1=-2, dim2=-1).real
    return Fisher(matrix, weight[..., 0] * energy)


def stochastic(
    response: Tensor, slopes: Tensor, powers: Tensor, noise: Tensor, snapshots: int
) -> Fisher:
    """Gaussian sources of unknown covariance `powers` `(..., sources, sources)`, noise unknown."""
    eye = torch.eye(response.shape[-2], dtype=response.dtype, device=response.device)
    covariance = response @ powers @ response.mH + noise[..., None, None] * eye
    seen = response @ powers
    weight = seen.mH @ torch.linalg.solve(covariance, seen)
    return deterministic(response, slopes, snapshots * weight, noise)


def without(response: Tensor, vectors: Tensor) -> Tensor:
    """`vectors` `(..., outputs, any)` less what lies in the span of `response`."""
    basis = torch.linalg.qr(response).Q
    rest = vectors - basis @ (basis.mH @ vectors)
    # Once more: what is left of a vector in the span is rounding of its length, not of the rest's.
    return rest - basis @ (basis.mH @ rest)


def cartesian(bound: Tensor, slopes: Tensor) -> Tensor:
    """Bound on points `(..., sources, axes, axes)` of one on coordinates.

    `slopes` `(..., sources, axes, coordinates)`: derivatives of each source's point by its own
    coordinates. The root of the trace is the position error bound.
    """
    count, coordinates = slopes.shape[-3], slopes.shape[-1]
    split = bound.unflatten(-1, (coordinates, count)).unflatten(-3, (coordinates, count))
    own = split.diagonal(dim1=-3, dim2=-1).movedim(-1, -3)
    return slopes @ own @ slopes.mT


def _blocks(slopes: Tensor) -> Tensor:
    """`(..., coordinates, outputs, sources)` to `(..., outputs, coordinates * sources)`."""
    return slopes.movedim(-3, -2).flatten(-2)
