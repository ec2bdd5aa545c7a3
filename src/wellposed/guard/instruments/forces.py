"""Which term of a loss pulls the estimate where: shares and forces, measured at the output."""

from collections.abc import Mapping

import torch
from torch import Tensor


def term_forces(terms: Mapping[str, Tensor], estimate: Tensor) -> dict[str, dict[str, float]]:
    """Per weighted term: norm and share of its gradient, and its force toward louder and DC.

    The gradient is taken with respect to `estimate` `(batch, ...)`; the graph stays. A term
    without a path to the estimate has norm 0 and `connected` 0.
    """
    gradients: dict[str, Tensor | None] = {}
    for name, term in terms.items():
        gradients[name] = None
        if term.requires_grad:
            (gradients[name],) = torch.autograd.grad(
                term.sum(), [estimate], retain_graph=True, allow_unused=True
            )
    flat = {
        name: torch.zeros_like(estimate).flatten(1) if gradient is None else gradient.flatten(1)
        for name, gradient in gradients.items()
    }
    total = sum(float(each.norm()) for each in flat.values())
    signal = estimate.detach().flatten(1)
    table = {}
    for name, gradient in flat.items():
        others = sum((each for other, each in flat.items() if other != name), 0 * gradient)
        norm = float(gradient.norm())
        table[name] = {
            "connected": float(gradients[name] is not None),
            "value": float(terms[name].detach().sum()),
            "norm": norm,
            "share": norm / total if total else 0.0,
            "toward_louder": -float((gradient * signal).sum()),
            "toward_dc": -float(gradient.sum()),
            "with_others": _cosine(gradient, others),
        }
    return table


def _cosine(first: Tensor, second: Tensor) -> float:
    norms = float(first.norm() * second.norm())
    return float((first * second).sum()) / norms if norms > 0 else 0.0
