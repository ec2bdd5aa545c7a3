"""What the audit of the problem must know of locating besides what every system says."""

from collections.abc import Mapping
from functools import partial
from typing import Any

import torch
from torch import Tensor

from wellposed.engine.system import Batch, Item, Networks
from wellposed.guard.audit.problem import Observation, Yardstick
from wellposed.metrics.bounds.observations import Observation as Measured
from wellposed.metrics.bounds.observations import surface_observation
from wellposed.systems.locate.ideal import between, ideal
from wellposed.systems.locate.model import Locator, shown
from wellposed.systems.locate.objective import Truth, locate_terms, weights_of
from wellposed.systems.locate.recipe import LocateRecipe
from wellposed.systems.locate.scenes import generator_of, item_of, surface_of
from wellposed.systems.locate.scoring import truth_of
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
    made = network(*(batch[name] for name in GIVEN))
    symbols = torch.view_as_complex(batch["symbols"].contiguous())
    truth = Truth(batch["places"], symbols, batch["count"])
    cells, elements = network.cells, network.elements
    moved = between(made, ideal(made, truth, cells, elements), share)
    found = locate_terms(moved, truth, cells, elements)
    return {name: found[name] for name in weights_of(recipe.loss)}


def observation_of(recipe: LocateRecipe) -> Observation:
    """Measurements as a function of places, symbols and, where it is not given, the channel."""
    known = recipe.scenes.give == "channel"
    scenes = recipe.scenes.model_copy(update={"sources": (recipe.scenes.sources[0],) * 2})
    generator = generator_of(scenes, recipe.seed)
    items = [
        item_of(generator, scenes, recipe.model.slots, "train", number)
        for number in range(POINTS if known else 1)
    ]
    made = [measured_of(recipe, item) for item in items]
    sources = scenes.sources[0]
    names = {"places": 3 * sources, "symbols": 2 * sources}
    if not known:
        names["channel H"] = len(made[0].point) - 5 * sources
    # One function for all points: codes and channel of the first scene.
    first = made[0].observe
    return Observation(
        lambda unknown: torch.view_as_real(first(unknown)),
        [each.point for each in made],
        names,
        "" if known else NEEDED,
    )


def measured_of(recipe: LocateRecipe, item: Item) -> Measured:
    """One scene's measurements and all that is unknown of it, places first."""
    places, symbols = truth_of(item)
    channel, codes = (
        torch.view_as_complex(item[name].double().contiguous()) for name in ("channel", "codes")
    )
    sent = codes[codes.abs().square().sum(-1) > 0]
    known = recipe.scenes.give == "channel"
    elements = surface_of(recipe.scenes).elements
    return surface_observation(elements, sent, channel, places, symbols, channel_known=known)


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
            for each in zip(*(_wide(inputs[n]) for n in GIVEN), strict=True)
        ]
    )


GIVEN = ("heard", "channel", "codes")


def _wide(pairs: Tensor) -> Tensor:
    return torch.view_as_complex(pairs.double().contiguous())
