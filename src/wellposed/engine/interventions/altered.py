"""A system with interventions: asked like any other, it answers as the system it holds would."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from wellposed.engine.interventions.intervention import Intervention
from wellposed.engine.recipe import Recipe, changed
from wellposed.engine.system import Batch, Item, Moment, Networks, System


class Altered(System[Any]):
    """`system` under the interventions `done`, in their order."""

    def __init__(self, system: System[Any], done: Sequence[Intervention]) -> None:
        """Hold a system whose recipe and attributes are as `altered` made them."""
        super().__init__(system.recipe)
        self.held, self.done = system, tuple(done)
        self.before_measure: Callable[[], None] | None = None
        """Called before a scene is scored, if somebody watches; it may raise to end it all."""
        kind = type(system)
        vars(self).update(
            name=kind.name, recipe_type=kind.recipe_type, sizes=kind.sizes, inputs=system.inputs,
            labels=system.labels, level_metric=system.level_metric, players=system.players,
        )  # fmt: skip

    def with_recipe(self, recipe: Recipe) -> "Altered":
        """The same for a phase."""
        return Altered(_attributed(self.held.with_recipe(recipe), self.done), self.done)

    def build(self) -> dict[str, nn.Module]:
        """Build, then change."""
        networks = self.held.build()
        for each in self.done:
            each.build(networks)
        return networks

    @property
    def data_digest(self) -> str:
        """That of the system."""
        return self.held.data_digest

    def item(self, split: str, index: int) -> Item:
        """Another scene in training, perhaps; the same ones in validation."""
        for each in self.done:
            index = each.scene(index) if split == "train" else index
        item = self.held.item(split, index)
        for each in self.done:
            item = each.item(item)
        return item

    def terms(
        self, player: str, networks: Networks, batch: Batch, moment: Moment
    ) -> dict[str, Tensor]:
        """Compute, then change."""
        terms = self.held.terms(player, networks, batch, moment)
        for each in self.done:
            terms = each.terms(terms)
        return terms

    def plays(self, player: str, step: int) -> bool:
        """As the system says."""
        return self.held.plays(player, step)

    def weights(self, player: str) -> dict[str, float]:
        """Changed weights."""
        weights = self.held.weights(player)
        for each in self.done:
            weights = each.weights(weights)
        return weights

    def measure(self, networks: Networks, item: Item) -> dict[str, float | None]:
        """As the system does."""
        if self.before_measure is not None:
            self.before_measure()
        return self.held.measure(networks, item)

    def calibrate(self, networks: Networks, rows: Mapping[int, Mapping[str, float | None]]) -> None:
        """As the system does."""
        self.held.calibrate(networks, rows)

    @property
    def metrics(self) -> dict[str, str]:
        """Those of the system."""
        return self.held.metrics

    def show_examples(self, networks: Networks, folder: Path) -> None:
        """As the system does."""
        self.held.show_examples(networks, folder)

    @property
    def silent_targets(self) -> float:
        """As the system says."""
        return self.held.silent_targets

    def trivial(self, item: Item) -> Mapping[str, Mapping[str, float | None]]:
        """As the system does."""
        return self.held.trivial(item)

    def declared(self) -> Mapping[str, Any]:
        """As the system says."""
        return self.held.declared()

    def interventions(self) -> list[Intervention]:
        """Those of the system."""
        return self.held.interventions()

    def collate(self, items: Sequence[Item]) -> Batch:
        """As the system does."""
        return self.held.collate(items)


def altered(kind: type[System[Any]], recipe: Recipe, done: Sequence[Intervention]) -> Altered:
    """A system of `kind` under `recipe` and interventions. Raises RecipeError: they do not fit."""
    for each in done:
        recipe = changed(recipe, each.changes(recipe), each.name)
    return Altered(_attributed(kind(recipe), done), done)


def _attributed(system: System[Any], done: Sequence[Intervention]) -> System[Any]:
    for each in done:
        for name, value in each.attributes().items():
            if not hasattr(system, name):
                raise AttributeError(f"{each.name}: {type(system).__name__} has no {name}")
            setattr(system, name, value)
    return system
