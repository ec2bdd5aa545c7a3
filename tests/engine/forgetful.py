"""Toy systems that keep something outside of the checkpoint, each in another place."""

import os
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn
from toy import CPU, Filter, Toy, ToyModel, ToyRecipe

from wellposed.engine.recipe import Recipe
from wellposed.engine.system import Batch, Moment, Networks

STEPS_SEEN = 0.0


class ForgetfulRecipe(ToyRecipe):
    """The toy's recipe under another name."""

    system: Literal["forgetful"] = "forgetful"  # type: ignore[bad-override]


class Counting(Filter):
    """A network whose dropout grows with a plain attribute."""

    def __init__(self, recipe: ToyModel) -> None:
        """Start counting."""
        super().__init__(recipe)
        self.seen = 0

    def forward(self, noisy: Tensor) -> Tensor:
        """Count, and let the count matter."""
        if self.training:
            self.seen += 1
        return super().forward(noisy) * (1 + 0.01 * self.seen)


class Buffered(Filter):
    """A network with a running mean that is not saved."""

    level: Tensor

    def __init__(self, recipe: ToyModel) -> None:
        """Begin with a level of one."""
        super().__init__(recipe)
        self.register_buffer("level", torch.ones(()), persistent=False)

    def forward(self, noisy: Tensor) -> Tensor:
        """Follow the level of the input."""
        if self.training:
            self.level.lerp_(noisy.std(), 0.1)
        return super().forward(noisy) * self.level


class Attribute(Toy):
    """Forgets a number of a module."""

    recipe_type: ClassVar[type[Recipe]] = ForgetfulRecipe

    def build(self) -> dict[str, nn.Module]:
        """Make the network."""
        return {"model": Counting(self.recipe.model)}


class Buffer(Attribute):
    """Forgets a buffer."""

    def build(self) -> dict[str, nn.Module]:
        """Make the network."""
        return {"model": Buffered(self.recipe.model)}


class Generator(Attribute):
    """Draws from a generator of its own."""

    def __init__(self, recipe: Any) -> None:
        """Seed it once."""
        super().__init__(recipe)
        self.draws = torch.Generator(CPU).manual_seed(0)

    def build(self) -> dict[str, nn.Module]:
        """Make the toy's network."""
        return {"model": Filter(self.recipe.model)}

    def with_recipe(self, recipe: Any) -> "Generator":
        """Go on with the same generator."""
        other = type(self)(recipe)
        other.draws = self.draws
        return other

    def terms(
        self, player: str, networks: Networks, batch: Batch, moment: Moment
    ) -> dict[str, Tensor]:
        """Add noise from the generator."""
        noise = torch.randn(batch["noisy"].shape, generator=self.draws)
        return super().terms(
            player, networks, {**batch, "noisy": batch["noisy"] + 0.1 * noise}, moment
        )


class Global(Generator):
    """Counts in a variable of its file."""

    def terms(
        self, player: str, networks: Networks, batch: Batch, moment: Moment
    ) -> dict[str, Tensor]:
        """Let the count matter."""
        global STEPS_SEEN
        STEPS_SEEN += 1
        made = Toy.terms(self, player, networks, batch, moment)
        return {name: value * STEPS_SEEN for name, value in made.items()}


class Restless(Generator):
    """Never does the same twice."""

    def terms(
        self, player: str, networks: Networks, batch: Batch, moment: Moment
    ) -> dict[str, Tensor]:
        """Draw from the system's entropy."""
        made = Toy.terms(self, player, networks, batch, moment)
        return {name: value * (1 + os.urandom(1)[0] / 256) for name, value in made.items()}
