"""A small locator and scenes for the tests."""

import torch

from wellposed.engine.recipe import changed
from wellposed.engine.system import Batch
from wellposed.systems.locate.model import Locator
from wellposed.systems.locate.recipe import LocateRecipe, Model, Scenes
from wellposed.systems.locate.system import LocateSystem

TINY = Model(directions=(12, 8), curvatures=4, width=16, blocks=1)


def system(**changes) -> LocateSystem:
    """A system of a tiny network; `scenes__sources=(1, 2)` sets scenes.sources."""
    return _changed(LocateRecipe(model=TINY), changes)


def line_system(**changes) -> LocateSystem:
    """The same before a line of eight sensors."""
    recipe = LocateRecipe(model=Model(width=16, blocks=1), scenes=Scenes(kind="line"))
    return _changed(recipe, {"scenes__line__sensors": 8} | changes)


def _changed(recipe: LocateRecipe, changes) -> LocateSystem:
    dotted = {name.replace("__", "."): value for name, value in changes.items()}
    return LocateSystem(changed(recipe, dotted, "test"))


def batch_of(made: LocateSystem, count: int, split: str = "train") -> Batch:
    return made.collate([made.item(split, number) for number in range(count)])


def network_of(made: LocateSystem, seed: int = 0) -> Locator:
    torch.manual_seed(seed)
    network = made.build()["model"].eval()
    assert isinstance(network, Locator)
    return network
