"""Changes that suspect nobody: other randomness, for controls."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from wellposed.engine.interventions.intervention import Intervention
from wellposed.engine.recipe import Recipe

if TYPE_CHECKING:
    from wellposed.engine.run import Run


@dataclass(frozen=True)
class Jitter(Intervention):
    """Every weight off by a little, to see whether a symptom hangs on the last bits.

    A control rather than a suspect: `of` tells one draw from another.
    """

    of: int
    size: float = 2.0**-12

    @property
    def name(self) -> str:
        """`jitter:N`."""
        return f"jitter:{self.of}"

    @property
    def about(self) -> str:
        """What is done."""
        return f"move every weight by {self.size:.0e} of itself (draw {self.of})"

    @torch.no_grad()
    def ready(self, run: "Run") -> None:
        """Multiply by 1 + size * normal."""
        draws = torch.Generator().manual_seed(self.of)
        for network in run.networks.values():
            for parameter in network.parameters():
                noise = torch.randn(parameter.shape, generator=draws).to(parameter)
                parameter.mul_(1 + self.size * noise)


@dataclass(frozen=True)
class Seed(Intervention):
    """Another seed: other scenes and draws, and other first weights in a replay from the start."""

    seed: int

    @property
    def name(self) -> str:
        """`seed:N`."""
        return f"seed:{self.seed}"

    @property
    def about(self) -> str:
        """What is done."""
        return f"take seed {self.seed}"

    def changes(self, recipe: Recipe) -> Mapping[str, Any]:
        """The seed."""
        return {"seed": self.seed}
