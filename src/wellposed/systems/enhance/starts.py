"""What must hold of a network that is about to be trained; the audit measures it."""

from collections.abc import Callable, Mapping

import torch
from torch import nn

from wellposed.engine.system import Networks
from wellposed.nn.statespace import MEMORY, StateSpace
from wellposed.systems.enhance.recipe import Model

Invariant = Callable[[Networks], tuple[float, float, float]]

UNCHANGED = 0.1
"""Largest error of an untrained network's output, relative to its input: the taps start within a
few percent of the identity. Measured: 0.045 to 0.048 for every size, three draws each; 0.1 is the
20 dB of a good estimate."""


def invariants(model: Model) -> Mapping[str, Invariant]:
    """All that holds of networks of this recipe, by name."""
    found: dict[str, Invariant] = {"the change of the input": _change}
    if model.block != "lstm":
        short, long = MEMORY
        middle = (short * long) ** 0.5
        found["the shortest memory [frames]"] = lambda n: (_memories(n).min().item(), short, middle)
        found["the longest memory [frames]"] = lambda n: (_memories(n).max().item(), middle, long)
    return found


@torch.no_grad()
def _change(networks: Networks) -> tuple[float, float, float]:
    """Error of the output against the input, for half a second of white noise."""
    network = networks["model"]
    draws = torch.Generator().manual_seed(0)
    noise = 0.1 * torch.randn(1, 8000, generator=draws)
    return float((network(noise) - noise).norm() / noise.norm()), 0.0, UNCHANGED


def _memories(networks: Mapping[str, nn.Module]) -> torch.Tensor:
    """Memory at rest of every channel of every state-space block [frames]."""
    blocks = [each for each in networks["model"].modules() if isinstance(each, StateSpace)]
    return torch.cat([block.memories() for block in blocks])
