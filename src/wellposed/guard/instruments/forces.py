"""Which term of a loss pulls the estimate where: shares and directions, measured at the output.

The gradient of a term with respect to the estimate says what the term alone would change. It
costs one backward pass through the losses, none through the network.
"""

from collections.abc import Mapping

import torch
from torch import Tensor

from ..dense import plain
from ..evidence import Table

FORCES, ITEMS = "forces", "items"
"""Kinds of records: per term, and of the items of the batch against each other."""
LARGEST = "largest"
"""Subject of the records of items."""


def forces(terms: Mapping[str, Tensor], estimate: Tensor) -> dict[str, Table]:
    """Records by kind of the weighted terms' pull on `estimate` `(batch, ...)`; the graph stays.

    Raises ValueError for an estimate without a graph: no term could reach it.
    """
    if not estimate.requires_grad:
        raise ValueError(
            "Guard.forces: the estimate has no graph; wanted the very tensor that the terms "
            "were computed from. Call it before `backward`, with what the network returned."
        )
    gradients = {name: _gradient(term, estimate) for name, term in terms.items()}
    with torch.no_grad():
        signal = _flat(estimate)
        flat = {
            name: torch.zeros_like(signal) if gradient is None else _flat(gradient)
            for name, gradient in gradients.items()
        }
        total = sum(flat.values(), torch.zeros_like(signal))
        norms = {name: float(each.norm()) for name, each in flat.items()}
        table = {
            name: {
                "graph": float(terms[name].requires_grad),
                "connected": float(gradients[name] is not None),
                "value": float(terms[name].detach().sum()),
                "norm": norms[name],
                "share": norms[name] / (sum(norms.values()) or 1.0),
                **_direction(each, signal),
                **_against(each, total - each),
            }
            for name, each in flat.items()
        }
        return {FORCES: table, ITEMS: {LARGEST: _largest(total, signal)}}


def _gradient(term: Tensor, estimate: Tensor) -> Tensor | None:
    if not term.requires_grad:
        return None
    (gradient,) = torch.autograd.grad(term.sum(), [estimate], retain_graph=True, allow_unused=True)
    return gradient


def _flat(tensor: Tensor) -> Tensor:
    numbers = plain(tensor.detach()).float()
    return numbers.reshape(len(numbers) if numbers.ndim else 1, -1)


def _direction(gradient: Tensor, signal: Tensor) -> dict[str, float]:
    """Where a step down this gradient moves the estimate.

    `toward_louder` is what a relative gain of 1 would take off the term, `toward_dc` the same for
    a constant of 1. `along_level` and `along_dc` are the shares (of the squared gradient) that
    lie in these two directions, item by item: at 1 the term knows nothing else. `low_half` is
    the share below half of the band, between neighbours in the last axis.
    """
    power = float(gradient.square().sum())
    level = torch.nn.functional.normalize(signal, dim=1)
    along = (gradient * level).sum(1).square().sum()
    dc = gradient.sum(1).square().sum() / gradient.shape[1]
    even, odd = gradient[:, 0 : gradient.shape[1] // 2 * 2 : 2], gradient[:, 1::2]
    return {
        "toward_louder": -float((gradient * signal).sum()),
        "toward_dc": -float(gradient.sum()),
        "along_level": _ratio(float(along), power),
        "along_dc": _ratio(float(dc), power),
        "low_half": _ratio(float((even + odd).square().sum()) / 2, power),
        "numbers": float(gradient.shape[1]),
    }


def _against(gradient: Tensor, others: Tensor) -> dict[str, float]:
    """How the term stands to the sum of all others.

    `with_others` is their cosine. `others_gain` is the cosine of the others with the whole
    gradient: below 0 a step down the whole makes the others worse. `over_others` is the ratio of
    the norms.
    """
    norm, rest = float(gradient.norm()), float(others.norm())
    whole = gradient + others
    return {
        "with_others": _ratio(float((gradient * others).sum()), norm * rest),
        "others_gain": _ratio(float((others * whole).sum()), rest * float(whole.norm())),
        "over_others": _ratio(norm, rest),
    }


def _largest(total: Tensor, signal: Tensor) -> dict[str, float]:
    """The item whose pull outweighs the others most, by how much, and how many there are.

    A pull counts twice: as it is, and times the item's level (what a relative change is worth),
    since a network answers a quiet input with small changes. The smaller ratio to the sum of all
    others is taken, so that a mere difference of levels in the data outweighs nothing.
    """
    pulls = total.norm(dim=1)
    measures = [pulls.tolist(), (pulls * signal.norm(dim=1)).tolist()]
    sums = [sum(each) for each in measures]
    ratios = [
        min(
            _ratio(pull[item], whole - pull[item])
            for pull, whole in zip(measures, sums, strict=True)
        )
        for item in range(len(pulls))
    ]
    item = max(range(len(ratios)), key=ratios.__getitem__)
    return {"items": float(len(ratios)), "item": float(item), "over_others": ratios[item]}


def _ratio(part: float, whole: float) -> float:
    """`part / whole`; 0 of nothing, infinite where only the part is left."""
    if whole > 0:
        return part / whole
    return float("inf") if part > 0 else 0.0
