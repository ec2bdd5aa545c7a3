"""A balancer: weights of terms become shares of the gradient that reaches the estimate.

EnCodec's (Defossez et al., arXiv:2210.13438, section 3.4, eq. 5): with g_i the gradient of term i
at the estimate and <|g_i|> the running mean of its norm, what flows back is

    sum over i of  R  lambda_i / (sum of lambda)  g_i / <|g_i|>

so that a term pulls as much as its weight says, whatever its unit. Terms that do not depend on the
estimate, such as commitment, stay as they are.
"""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

MEMORY = 0.999
"""Decay of the running norm per step (arXiv:2210.13438, section 3.4)."""
TOTAL = 1.0
"""R, the norm of the gradient if all terms pull alike (the same)."""


class Balancer(nn.Module):
    """Running norms of the gradients of named terms; all state is in buffers."""

    average: Tensor
    """Decayed sums of norms, `(terms,)`."""
    weight: Tensor
    """Decayed counts: their quotient is a mean without a bias towards the start."""

    def __init__(self, names: Sequence[str]) -> None:
        """Have seen no gradient as yet."""
        super().__init__()
        self.names = tuple(names)
        self.register_buffer("average", torch.zeros(len(self.names)))
        self.register_buffer("weight", torch.zeros(len(self.names)))

    def forward(
        self, terms: Mapping[str, Tensor], weights: Mapping[str, float], estimate: Tensor
    ) -> dict[str, Tensor]:
        """Return the terms `(batch,)` with the same values, their gradients scaled.

        The scaled terms, times their weights, have the gradient above. Norms are those of the mean
        over the batch, seen and remembered in training mode; without a gradient nothing changes.
        """
        if not (torch.is_grad_enabled() and estimate.requires_grad):
            return dict(terms)
        norms = {name: _norm(terms[name], estimate) for name in self.names if name in terms}
        pulling = {name: norm for name, norm in norms.items() if norm is not None}
        scales = self._scales(pulling, weights)
        return {
            name: value.detach() + scales[name] * (value - value.detach())
            if name in scales
            else value
            for name, value in terms.items()
        }

    @torch.no_grad()
    def _scales(
        self, norms: Mapping[str, Tensor], weights: Mapping[str, float]
    ) -> dict[str, Tensor]:
        total = sum(weights[name] for name in norms)
        scales = {}
        for name, norm in norms.items():
            place = self.names.index(name)
            average, weight = self.average[place], self.weight[place]
            # A step that is not finite is refused as a whole; it shall leave nothing here either.
            if self.training and bool(norm.isfinite()):
                average.lerp_(norm.to(average), 1 - MEMORY)
                weight.lerp_(torch.ones_like(weight), 1 - MEMORY)
            mean = average / weight if bool(weight > 0) else norm
            # A term that has never pulled has nothing to be scaled.
            if bool(mean > 0) and total > 0:
                scales[name] = TOTAL / (total * mean)
        return scales


def _norm(term: Tensor, estimate: Tensor) -> Tensor | None:
    """Norm of the gradient of a term's mean at the estimate; None: it does not depend on that."""
    if not term.requires_grad:
        return None
    (pull,) = torch.autograd.grad(term.mean(), estimate, retain_graph=True, allow_unused=True)
    return None if pull is None else pull.norm()
