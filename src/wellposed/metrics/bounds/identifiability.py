"""Whether data can determine places at all: asked before training, not after."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Identifiability:
    """What a Jacobian says about unknowns."""

    measurements: int
    """real numbers"""
    unknowns: int
    rank: int
    condition: float
    """of the Jacobian with columns of unit length: free of units; inf where the rank is short"""
    wanted_rank: int
    """directions of the wanted unknowns that stay determined, the others being unknown"""
    wanted: int

    @property
    def sufficient(self) -> bool:
        """Whether all wanted unknowns are determined."""
        return self.wanted_rank == self.wanted

    def __str__(self) -> str:
        """One sentence."""
        verdict = "determined" if self.sufficient else "NOT determined"
        return (
            f"{self.wanted} wanted of {self.unknowns} unknowns from {self.measurements} real "
            f"measurements: {verdict}; rank {self.rank}, wanted {self.wanted_rank} of "
            f"{self.wanted}, condition {self.condition:.3g}"
        )


def identifiability(
    observe: Callable[[Tensor], Tensor], point: Tensor, wanted: int
) -> Identifiability:
    """Ask the Jacobian of `observe` at `point`, a flat real tensor of unknowns, wanted ones first.

    `observe` gives the measurements without noise, real or complex. Ranks are counted relative to
    rounding and to the columns *before* nuisances are taken out of them.
    """
    jacobian = torch.func.jacrev(lambda unknowns: _flat(observe(unknowns)))(point.detach())
    size = jacobian.norm(dim=0)
    columns = jacobian / torch.where(size > 0, size, 1.0)
    tolerance = 10 * max(columns.shape) * torch.finfo(columns.dtype).eps
    singular = torch.linalg.svdvals(columns)
    rank = int((singular > tolerance).sum())
    whole = rank == columns.shape[1]
    first, others = columns[:, :wanted], columns[:, wanted:]
    left = torch.linalg.svdvals(first - _onto(others, first, tolerance))
    return Identifiability(
        measurements=columns.shape[0],
        unknowns=columns.shape[1],
        rank=rank,
        condition=(singular[0] / singular[-1]).item() if whole else torch.inf,
        wanted_rank=int((left > tolerance).sum()),
        wanted=wanted,
    )


def _flat(values: Tensor) -> Tensor:
    return (torch.view_as_real(values) if values.is_complex() else values).flatten()


def _onto(others: Tensor, vectors: Tensor, tolerance: float) -> Tensor:
    """Projection of `vectors` onto the span of `others`."""
    basis, size, _ = torch.linalg.svd(others, full_matrices=False)
    basis = basis[:, size > tolerance]
    return basis @ (basis.mT @ vectors)
