"""A well-posed problem, small enough for tests: sequences under noise; sick ones vary it."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from wellposed.guard.audit.problem import Problem
from wellposed.guard.plan import Plan

LENGTH, ITEMS = 64, 4


class Smoother(nn.Module):
    """`(batch, time)` to the same: two convolutions, the second started near nothing."""

    def __init__(self, causal: bool = False) -> None:
        super().__init__()
        self.causal = causal
        self.first = nn.Conv1d(1, 8, 9)
        self.second = nn.Conv1d(8, 1, 1)

    def forward(self, noisy: Tensor) -> Tensor:
        padding = (8, 0) if self.causal else (4, 4)
        hidden = torch.tanh(self.first(nn.functional.pad(noisy[:, None], padding)))
        return noisy + self.second(hidden)[:, 0]


def batch(number: int) -> dict[str, Tensor]:
    """Sums of two slow sines, and the same under white noise."""
    draws = torch.Generator().manual_seed(number)
    time = torch.arange(LENGTH) / LENGTH
    phase = torch.rand(ITEMS, 2, 1, generator=draws)
    rate = 1 + 3 * torch.rand(ITEMS, 2, 1, generator=draws)
    clean = torch.sin(2 * torch.pi * (rate * time + phase)).sum(1)
    return {"noisy": clean + 0.5 * torch.randn(ITEMS, LENGTH, generator=draws), "clean": clean}


def error(estimate: Tensor, batch: Mapping[str, Tensor]) -> Tensor:
    return (estimate - batch["clean"]).square().mean(-1)


def problem(**changes: Any) -> Problem:
    """The healthy one, with fields changed."""
    given: dict[str, Any] = {
        "build": lambda: {"model": Smoother()},
        "batch": batch,
        "inputs": ("noisy",),
        "labels": ("clean",),
        "estimate": lambda networks, batch: networks["model"](batch["noisy"]),
        "terms": lambda networks, batch: {
            "square": error(networks["model"](batch["noisy"]), batch)
        },
        "optimizer": lambda parameters: torch.optim.Adam(parameters, 1e-2),
        "plan": Plan(steps=1000),
        "name": "little",
    }
    return Problem(**(given | changes))
