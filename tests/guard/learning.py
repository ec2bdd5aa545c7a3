"""Small training loops for tests of what parameters and optimizers do."""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from wellposed.guard import Finding, Guard, Severity


def inputs(step: int, items: int = 16, size: int = 8) -> Tensor:
    return torch.randn(items, size, generator=torch.Generator().manual_seed(step))


def perceptron(seed: int = 0, width: int = 16) -> nn.Sequential:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(8, width), nn.ReLU(), nn.Linear(width, 4))


def square(model: Callable[[Tensor], Tensor], step: int) -> dict[str, Tensor]:
    """Every input is to be copied, half of it."""
    x = inputs(step)
    return {"square": (model(x) - x[:, :4]).square().mean()}


def train(
    guard: Guard,
    model: Callable[[Tensor], Tensor],
    optimizer: torch.optim.Optimizer,
    steps: int | range,
    *,
    terms: Callable[..., Mapping[str, Tensor]] = square,
    clear: bool = True,
    after: Callable[[int], Any] | None = None,
) -> Guard:
    """Train for `steps`; `after(step)` is called when a step is done."""
    for step in range(steps) if isinstance(steps, int) else steps:
        values = terms(model, step)
        if clear:
            optimizer.zero_grad()
        torch.stack([value.float() for value in values.values()]).sum().backward()
        if guard.step(step, values):
            optimizer.step()
        if after is not None:
            after(step)
    return guard


def found(guard: Guard, *codes: str) -> list[Finding]:
    """Findings with these codes; all if none is given."""
    return [each for each in guard.read() if not codes or each.code in codes]


def grave(guard: Guard) -> list[str]:
    """Codes of findings above INFO."""
    return [each.code for each in guard.read() if each.severity is not Severity.INFO]
