"""What the audit of the problem must know of locating besides what every system says."""

from collections.abc import Mapping
from functools import partial
from typing import Any

import torch
from torch import Tensor

from wellposed.engine.system import Batch, Networks
from wellposed.guard.audit.problem import Observation, Yardstick
from wellposed.systems.locate.ideal import between, ideal
from wellposed.systems.locate.model import Locator, shown
from wellposed.systems.locate.objective import locate_terms, weights_of
from wellposed.systems.locate.recipe import LocateRecipe
from wellposed.systems.locate.scenes import front_of
from wellposed.systems.locate.truth import Truth
from wellposed.systems.locate.yardsticks import after_fit, explained, trivial

POINTS = 2
"""Scenes at which the rank is asked; one where H is unknown, whose entries are 4608 unknowns."""
NEEDED = (
    "H, the channel from every element to every chain; the network sees H w of every code, not H"
)
"""What `give: effective` leaves out, and nothing else can make up for."""


def declared(recipe: LocateRecipe) -> Mapping[str, Any]:
    """Name measurements, unknowns, path of use, way to the truth, yardsticks, trivial outputs."""
    return {
        "observation": observation_of(recipe),
        "use": use,
        "toward": partial(toward, recipe),
        "yardsticks": {
            "f1": Yardstick(partial(after_fit, recipe), "higher"),
            "explained": Yardstick(partial(explained, recipe), "higher"),
        },
        # The fit finds most sources of easy scenes without any network.
        "learned_by": "explained",
        "trivial": partial(trivial, recipe),
    }


@torch.no_grad()
def toward(
    recipe: LocateRecipe, networks: Networks, batch: Mapping[str, Tensor], share: float
) -> dict[str, Tensor]:
    """Terms of the proposal, moved this share of the way to a perfect one."""
    network = networks["model"]
    assert isinstance(network, Locator)
    made = network(*(batch[name] for name in network.front.inputs))
    truth = Truth.of(batch)
    cells, elements = network.cells, network.elements
    moved = between(made, ideal(made, truth, cells, elements), share)
    found = locate_terms(moved, truth, cells, elements)
    return {name: found[name] for name in weights_of(recipe)}


def observation_of(recipe: LocateRecipe) -> Observation:
    """Measurements as a function of places, symbols and, where it is not given, the channel."""
    known = recipe.scenes.give == "channel"
    sources = recipe.scenes.sources[0]
    front = front_of(with_sources(recipe, sources))
    items = [
        front.item("train", number, recipe.model.slots) for number in range(POINTS if known else 1)
    ]
    made = [front.observation(item) for item in items]
    wanted = made[0].wanted
    names = {"places": wanted, "symbols": len(made[0].point) - wanted}
    if not known:
        names = {"places": wanted, "symbols": 2 * sources}
        names["channel H"] = len(made[0].point) - wanted - 2 * sources
    # One function for all points: codes and channel, or number of snapshots, of the first scene.
    first = made[0].observe
    return Observation(
        lambda unknown: torch.view_as_real(first(unknown)),
        [each.point for each in made],
        names,
        "" if known else NEEDED,
    )


def with_sources(recipe: LocateRecipe, sources: int) -> LocateRecipe:
    """The recipe with scenes of so many sources and as few measurements as it may have."""
    scenes = recipe.scenes
    changes: dict[str, Any] = {"sources": (sources, sources)}
    if scenes.kind == "line":
        few = scenes.line.snapshots[0]
        changes["line"] = scenes.line.model_copy(update={"snapshots": (few, few)})
    else:
        changes["measurements"] = (scenes.measurements[0],) * 2
    return recipe.model_copy(update={"scenes": scenes.model_copy(update=changes)})


def use(networks: Networks, inputs: Batch) -> Tensor:
    """Propose as a user does who calls a `Finder` with measurements."""
    # Here, not above: reading of files is loaded only when it is used.
    from wellposed.systems.locate.use import Finder

    network = networks["model"]
    assert isinstance(network, Locator)
    finder = Finder(network)
    return torch.cat(
        [
            shown(finder.proposed(*each))
            for each in zip(*(_wide(inputs[n]) for n in network.front.inputs), strict=True)
        ]
    )


def _wide(given: Tensor) -> Tensor:
    """Numbers as a user has them: complex ones, but for how many there are."""
    return torch.view_as_complex(given.double().contiguous()) if given.ndim > 1 else given.double()
