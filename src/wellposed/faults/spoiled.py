"""A system with a fault in it: everything that a fault may touch, in one place for all hosts."""

from typing import Any, Self

from torch import Tensor, nn

from wellposed.engine.system import Batch, Item, Moment, Networks
from wellposed.faults.fault import Fault

# `super()` is the healthy system here, which comes after this one among the bases of a host; as
# `System` it would be abstract to a type checker.
Healthy: Any = object


class Spoiled(Healthy):
    """Goes before the healthy system among the bases of a host."""

    def __init__(self, recipe: Any, fault: Fault) -> None:
        """Take the recipe and what is to go wrong."""
        super().__init__(recipe)
        self.fault = fault
        self.__dict__.update(fault.attributes)

    def with_recipe(self, recipe: Any) -> Self:
        """Return this host under the recipe of a phase."""
        return type(self)(recipe, self.fault)

    def build(self) -> dict[str, nn.Module]:
        """Make the networks, then spoil them."""
        networks = self.networks()
        self.fault.build(networks)
        return networks

    def networks(self) -> dict[str, nn.Module]:
        """Make the networks."""
        return super().build()

    def item(self, split: str, index: int) -> Item:
        """Render a scene, spoiled."""
        return self.fault.item(self.scene(split, index), split, index)

    def scene(self, split: str, index: int) -> Item:
        """Render a scene."""
        return super().item(split, index)

    def terms(
        self, player: str, networks: Networks, batch: Batch, moment: Moment
    ) -> dict[str, Tensor]:
        """Compute the terms, spoiled."""
        fault = self.fault
        if moment.step != fault.step:
            fault.step = moment.step
            fault.before()
        fault.player = player
        batch = fault.batch(batch)
        return fault.terms(self.compare(player, networks, batch, moment), batch, moment)

    def compare(
        self, player: str, networks: Networks, batch: Batch, moment: Moment
    ) -> dict[str, Tensor]:
        """Compute the terms."""
        return super().terms(player, networks, batch, moment)

    def weights(self, player: str) -> dict[str, float]:
        """Weights of the recipe, spoiled."""
        return self.fault.weights(dict(super().weights(player)))
