"""A toy run whose cause is known: a line under noise, and a term that pulls the output away."""

from typing import Any

import torch
from torch import Tensor, nn
from toy import Toy, ToyRecipe, recipe

from wellposed.engine.explain.job import Case
from wellposed.engine.explain.symptom import Symptom
from wellposed.engine.interventions import Intervention, Variant
from wellposed.engine.recipe import dump
from wellposed.engine.system import Batch, Moment, Networks

STEPS = 6


class Pulled(Toy):
    """Toy, with a term that wants the output at 3, and an innocent gate around the network."""

    pull: float = 1.0
    gated: bool = True

    def interventions(self) -> list[Intervention]:
        """Mend the term, or take the gate away."""
        return [
            Variant("no-pull", "do not pull", {"pull": 0.0}),
            Variant("no-gate", "take the gate away", {"gated": False}),
            Variant("no-such", "set what is not there", {"nothing": 0}),
        ]

    def terms(
        self, player: str, networks: Networks, batch: Batch, moment: Moment
    ) -> dict[str, Tensor]:
        """Those of Toy, and the pull."""
        estimate = networks["model"](batch["noisy"])
        away = self.pull * (estimate.float() - 3).square().mean(-1)
        moment.tell(output=estimate.mean())
        return {**self._errors(estimate, batch["clean"], moment), "away": away}

    def weights(self, player: str) -> dict[str, float]:
        """The pull counts ten times as much."""
        return {**super().weights(player), "away": 10.0}


def small(**changes: Any) -> ToyRecipe:
    """A run of a few quick steps."""
    sections: dict[str, Any] = {
        "training": {"steps": STEPS, "log_every": 2, "checkpoint_every": 2},
        "validation": {"every": 100},
        "optimizer": {"learning_rate": 0.1},
        "schedule": {"warmup_steps": 0},
    }
    return recipe(Toy, **{**sections, **changes})


def case(**changes: Any) -> Case:
    """The pulled toy, and what it shows: its output goes up."""
    symptom = Symptom(steps=STEPS, figure="output", above=0.3, over=2)
    return Case("explained:Pulled", dump(small(**changes)), symptom)


class Broken(Toy):
    """Toy whose term has no finite gradient from a step on."""

    broken: bool = True

    def interventions(self) -> list[Intervention]:
        """Mend it."""
        return [Variant("mend", "mend the term", {"broken": False})]

    def terms(
        self, player: str, networks: Networks, batch: Batch, moment: Moment
    ) -> dict[str, Tensor]:
        """Those of Toy, one of them broken."""
        terms = super().terms(player, networks, batch, moment)
        if self.broken and moment.step >= 3:
            terms["size"] = terms["size"] + (terms["size"] * 0).sqrt()
        return terms


def weights_of(networks: dict[str, nn.Module]) -> dict[str, Tensor]:
    """All tensors by name."""
    return {
        f"{name}/{key}": value.clone()
        for name, network in networks.items()
        for key, value in network.state_dict().items()
        if isinstance(value, torch.Tensor)
    }
