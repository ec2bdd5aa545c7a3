"""Toy systems that say what their inputs are, so that their problem can be audited."""

from typing import ClassVar, Literal

import torch
from torch import Tensor, nn
from toy import Filter, Toy, ToyRecipe

from wellposed.engine.recipe import Recipe
from wellposed.engine.system import Batch, Moment, Networks
from wellposed.systems import SYSTEMS


class ToldRecipe(ToyRecipe):
    """The toy's recipe under another name."""

    system: Literal["told"] = "told"  # type: ignore[bad-override]


class LooseRecipe(ToyRecipe):
    """And under a third."""

    system: Literal["loose"] = "loose"  # type: ignore[bad-override]


class Told(Toy):
    """Shows its estimate."""

    name = "told"
    recipe_type: ClassVar[type[Recipe]] = ToldRecipe
    inputs: tuple[str, ...] = ("noisy",)
    labels: tuple[str, ...] = ("clean",)

    def terms(
        self, player: str, networks: Networks, batch: Batch, moment: Moment
    ) -> dict[str, Tensor]:
        """Compare, and show what is compared."""
        estimate = networks["model"](batch["noisy"])
        moment.show(estimate=estimate, reference=batch["clean"], source=batch["noisy"])
        return self._errors(estimate, batch["clean"], moment)


class Drawing(Filter):
    """Draws in evaluation mode too."""

    def forward(self, noisy: Tensor) -> Tensor:
        """Add a little noise to what is learned."""
        return super().forward(noisy) + 0.01 * torch.randn_like(noisy)


class Loose(Told):
    """A problem with a fault that every audit finds: no evaluation repeats."""

    name = "loose"
    recipe_type: ClassVar[type[Recipe]] = LooseRecipe

    def build(self) -> dict[str, nn.Module]:
        """Make the network that draws."""
        return {"model": Drawing(self.recipe.model)}


def register() -> None:
    """Make both systems like any other."""
    SYSTEMS["told"] = "told:Told"
    SYSTEMS["loose"] = "told:Loose"
