"""The locate system: scenes, proposals, terms, scores."""

import math
from collections.abc import Mapping
from dataclasses import replace
from operator import attrgetter
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from wellposed.engine.interventions import Intervention, Without
from wellposed.engine.recipe import Recipe, Section
from wellposed.engine.system import Batch, Item, Moment, Networks, System
from wellposed.engine.telling.exhibit import write_exhibit
from wellposed.metrics.table import write_json
from wellposed.systems.locate.cells import Cells
from wellposed.systems.locate.declaration import declared
from wellposed.systems.locate.estimate import located
from wellposed.systems.locate.exhibits import exhibit_of
from wellposed.systems.locate.model import Locator, Proposed, proposed_in, shown
from wellposed.systems.locate.objective import locate_terms, weights_of
from wellposed.systems.locate.recipe import SIZES, LocateRecipe
from wellposed.systems.locate.scenes import front_of
from wellposed.systems.locate.scoring import METRICS, score_state
from wellposed.systems.locate.truth import Truth, truth_of

SHOWN = 3


class LocateSystem(System[LocateRecipe]):
    """Sources before a surface or a line of sensors: a network proposes, a fit decides."""

    name = "locate"
    recipe_type: ClassVar[type[Recipe]] = LocateRecipe
    sizes: ClassVar[Mapping[str, Section]] = SIZES

    def __init__(self, recipe: LocateRecipe) -> None:
        """Prepare what stands before the network."""
        super().__init__(recipe)
        self.front = front_of(recipe)
        self.inputs, self.labels = self.front.inputs, self.front.labels

    def with_recipe(self, recipe: LocateRecipe) -> "LocateSystem":
        """Return this system under another recipe."""
        return LocateSystem(recipe)

    def build(self) -> dict[str, nn.Module]:
        """Make the network."""
        return {"model": Locator(self.recipe)}

    @property
    def data_digest(self) -> str:
        """Name of the generator: nothing is stored."""
        return self.front.digest

    def item(self, split: str, index: int) -> Item:
        """Draw a scene; see `Front.item`."""
        if split not in ("train", "valid", "test"):
            raise ValueError(f"split {split!r}: train, valid or test wanted")
        return self.front.item(split, index, self.recipe.model.slots)

    def terms(
        self, player: str, networks: Networks, batch: Batch, moment: Moment
    ) -> dict[str, Tensor]:
        """Compare what is proposed from the inputs with the truth."""
        network = networks["model"]
        made: Proposed = network(*(batch[name] for name in self.inputs))
        estimate = shown(made)
        moment.show(estimate=estimate)
        made = proposed_in(estimate, made)
        # Wrapped for several processes, the network itself does not show its map.
        cells = Cells.of(self.recipe.model, self.recipe.scenes)
        elements = self.front.elements.to(torch.float32)
        elements = replace(elements, positions=elements.positions.to(made.presence.device))
        found = locate_terms(made, Truth.of(batch), cells, elements)
        return {name: found[name] for name in self.weights(player)}

    def weights(self, player: str) -> dict[str, float]:
        """Weights of the terms."""
        return weights_of(self.recipe)

    def measure(self, networks: Networks, item: Item) -> dict[str, float | None]:
        """Score one scene as it is located in use, the fit included."""
        network = networks["model"]
        assert isinstance(network, Locator)
        batch = {name: each[None] for name, each in item.items()}
        state = located(network, batch, self.recipe.refinement)[0]
        return score_state(state, item, self.front)

    @property
    def metrics(self) -> dict[str, str]:
        """What is measured at a validation, and which direction is better."""
        return dict(METRICS)

    def interventions(self) -> list[Intervention]:
        """Easier scenes, where the recipe has what they lack."""
        scenes = self.recipe.scenes
        easier: dict[str, tuple[str, Any, Any]] = {
            "one-source": ("take scenes of one source", "sources", (1, 1)),
            "sources-alike": ("let all sources arrive alike", "path_loss", (0.0, 0.0)),
            "exact-channel": ("give the channel without an error", "channel_error_db", None),
        }
        if scenes.kind == "line":
            easier = {
                "one-source": easier["one-source"],
                "sources-alike": ("let all sources be equally loud", "line.power_spread_db", 0.0),
                "apart": ("let sources have nothing in common", "line.correlation", (0.0, 0.0)),
            }
        return [
            Without(name, about, ((f"scenes.{key}", value),))
            for name, (about, key, value) in easier.items()
            if attrgetter(key)(scenes) != value
        ]

    def declared(self) -> Mapping[str, Any]:
        """Say what the audit asks with; see `declaration`."""
        return declared(self.recipe)

    @torch.no_grad()
    def show_examples(self, networks: Networks, folder: Path) -> None:
        """Write a few scenes: maps, places that are there and places that were found."""
        network = networks["model"]
        assert isinstance(network, Locator)
        for index in range(min(SHOWN, self.recipe.validation.scenes)):
            item = self.item("valid", index)
            batch = {name: each[None] for name, each in item.items()}
            state = located(network, batch, self.recipe.refinement)[0]
            truth = truth_of(item)[0]
            made = network(*(batch[name] for name in self.inputs))
            target = folder / f"{index:02d}-validation-scene"
            write_exhibit(target, exhibit_of(network.cells, made, truth, state.places))
            write_json(
                target / "places.json",
                {"there": listed(truth), "found": listed(state.places)},
            )


def listed(places: Any) -> list[dict[str, float | None]]:
    """Places as JSON values; infinitely far is none."""
    return [
        {"azimuth_deg": a, "elevation_deg": e, "range_m": r if math.isfinite(r) else None}
        for a, e, r in zip(
            torch.rad2deg(places.azimuth).tolist(),
            torch.rad2deg(places.elevation).tolist(),
            places.range.tolist(),
            strict=True,
        )
    ]
