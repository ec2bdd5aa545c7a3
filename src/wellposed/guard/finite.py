"""One row of numbers per step, measured where the tensors are, without waiting for the device.

The promise: `terms_finite` and `gradients_finite` are exact. A float32 2-norm is finite only
if every entry is, so one pass over the gradients decides. The other direction has a gap that
is wanted: a finite gradient whose squares overflow float32 (norm above 1.8e19) counts as bad,
because clipping by norm and Adam's second moment would overflow on it as well.
`bad_gradients` tells the two apart, at the cost of a second pass.
"""

from collections.abc import Iterable, Mapping, Sequence

import torch
from torch import Tensor

from .dense import plain
from .signals import ITEM, SHARE, SIGNALS, measure_shares, measure_signals

FLAGS = ("terms_finite", "gradients_finite")
COLUMNS = (
    *FLAGS,
    "gradient_norm",
    "bad_gradients",
    "first_bad_gradient",
    *SIGNALS,
)
TERM = "term/"

Term = Tensor | float


def columns(terms: Iterable[str]) -> tuple[str, ...]:
    """Names of all numbers of a row: `COLUMNS`, then mean, largest share and item of each term."""
    names = list(terms)
    return (*COLUMNS, *(kind + name for kind in (TERM, SHARE, ITEM) for name in names))


@torch.no_grad()
def measure(
    terms: Mapping[str, Term],
    parameters: Sequence[Tensor],
    estimate: Tensor | None = None,
    reference: Tensor | None = None,
) -> Tensor:
    """The row of these `columns`, a float32 tensor on the device of the terms.

    `first_bad_gradient` is an index into `parameters`: the last one that is bad, since backward
    goes through them from the end; -1 when none is. Terms of any shape count with their mean; a
    missing gradient (None) with norm 0. Of a sharded gradient (DTensor) the local shard is
    measured, so `gradient_norm` is then local. `signals.py` says what the other columns are.
    """
    device = _device(terms.values(), parameters)
    values = [_mean(term, device) for term in terms.values()]
    terms_finite = torch.stack([torch.zeros((), device=device), *values]).isfinite().all()
    norms, order = _norms(parameters, device)
    total = torch.linalg.vector_norm(norms)
    bad = ~norms.isfinite()
    first = torch.where(bad, order, torch.full_like(order, -1)).max()
    row = [terms_finite.float(), total.isfinite().float(), total, bad.sum().float(), first]
    row += measure_signals(estimate, reference, device)
    return torch.cat([torch.stack(row + values), measure_shares(list(terms.values()), device)])


def bad_gradients(named: dict[str, Tensor]) -> list[str]:
    """Names of parameters whose gradient holds NaN or infinity, in backward order."""
    return [
        name
        for name, parameter in reversed(named.items())
        if parameter.grad is not None and not all_finite(plain(parameter.grad.detach()))
    ]


def all_finite(tensor: Tensor) -> bool:
    """Whether every entry is finite (waits for the device). Integers and empties are."""
    if not (tensor.is_floating_point() or tensor.is_complex()):
        return True
    return bool(plain(tensor.detach()).isfinite().all())


def _norms(parameters: Sequence[Tensor], device: torch.device) -> tuple[Tensor, Tensor]:
    groups: dict[tuple[torch.device, torch.dtype], tuple[list[int], list[Tensor]]] = {}
    for index, parameter in enumerate(parameters):
        if parameter.grad is not None:
            gradient = plain(parameter.grad)
            indices, tensors = groups.setdefault((gradient.device, gradient.dtype), ([], []))
            indices.append(index)
            tensors.append(gradient)
    # A leading zero, so that a step without any gradient has norm 0 and no special case.
    norms, order = [torch.zeros(1, device=device)], [-1]
    for (_, dtype), (indices, tensors) in groups.items():
        # float16 squares overflow at 256, so small types are summed in float32.
        wide = None if dtype == torch.float64 else torch.float32
        norms.append(torch.stack(torch._foreach_norm(tensors, 2, dtype=wide)).to(device).float())
        order += indices
    positions = torch.tensor(order, dtype=torch.float32, pin_memory=device.type == "cuda")
    return torch.cat(norms), positions.to(device, non_blocking=True)


def _mean(term: Term, device: torch.device) -> Tensor:
    if not isinstance(term, Tensor):
        return torch.full((), float(term), device=device)
    return plain(term).to(device, torch.float32).mean()


def _device(terms: Iterable[Term], parameters: Sequence[Tensor]) -> torch.device:
    for each in (*terms, *parameters):
        if isinstance(each, Tensor):
            return each.device
    return torch.device("cpu")
