"""The locate system: scenes, proposals, terms, scores."""

from collections.abc import Mapping
from dataclasses import replace
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
from wellposed.systems.locate.model import Locator, Proposed, shown
from wellposed.systems.locate.objective import Truth, locate_terms, weights_of
from wellposed.systems.locate.recipe import SIZES, LocateRecipe
from wellposed.systems.locate.scenes import GENERATOR, generator_of, item_of
from wellposed.systems.locate.scoring import METRICS, score_state, truth_of

SHOWN = 3


class LocateSystem(System[LocateRecipe]):
    """Sources before a reconfigurable surface: a network proposes, a fit decides."""

    name = "locate"
    recipe_type: ClassVar[type[Recipe]] = LocateRecipe
    sizes: ClassVar[Mapping[str, Section]] = SIZES
    inputs: ClassVar[tuple[str, ...]] = ("heard", "channel", "codes")
    labels: ClassVar[tuple[str, ...]] = ("places", "symbols", "count", "noise", "channel_error")

    def __init__(self, recipe: LocateRecipe) -> None:
        """Prepare the generator."""
        super().__init__(recipe)
        self.generator = generator_of(recipe.scenes, recipe.seed)

    def with_recipe(self, recipe: LocateRecipe) -> "LocateSystem":
        """Return this system under another recipe."""
        return LocateSystem(recipe)

    def build(self) -> dict[str, nn.Module]:
        """Make the network."""
        return {"model": Locator(self.recipe.model, self.recipe.scenes)}

    @property
    def data_digest(self) -> str:
        """Name of the generator: nothing is stored."""
        return GENERATOR

    def item(self, split: str, index: int) -> Item:
        """Draw a scene; see `item_of`."""
        if split not in ("train", "valid", "test"):
            raise ValueError(f"split {split!r}: train, valid or test wanted")
        scenes = self.recipe.scenes
        return item_of(self.generator, scenes, self.recipe.model.slots, split, index)

    def terms(
        self, player: str, networks: Networks, batch: Batch, moment: Moment
    ) -> dict[str, Tensor]:
        """Compare what is proposed from heard, channel and codes with the truth."""
        network = networks["model"]
        made: Proposed = network(*(batch[name] for name in self.inputs))
        moment.show(estimate=shown(made))
        symbols = torch.view_as_complex(batch["symbols"].contiguous())
        truth = Truth(batch["places"], symbols, batch["count"])
        # Wrapped for several processes, the network itself does not show its map.
        cells = Cells.of(self.recipe.model, self.recipe.scenes)
        elements = self.generator.surface.elements.to(torch.float32)
        elements = replace(elements, positions=elements.positions.to(made.presence.device))
        found = locate_terms(made, truth, cells, elements)
        return {name: found[name] for name in self.weights(player)}

    def weights(self, player: str) -> dict[str, float]:
        """Weights of the terms."""
        return weights_of(self.recipe.loss)

    def measure(self, networks: Networks, item: Item) -> dict[str, float | None]:
        """Score one scene as it is located in use, the fit included."""
        network = networks["model"]
        assert isinstance(network, Locator)
        batch = {name: each[None] for name, each in item.items()}
        state = located(network, batch, self.recipe.refinement)[0]
        return score_state(state, item, network.surface.elements)

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
        return [
            Without(name, about, ((f"scenes.{key}", value),))
            for name, (about, key, value) in easier.items()
            if getattr(scenes, key) != value
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


def listed(places: Any) -> list[dict[str, float]]:
    """Places as JSON values."""
    return [
        {"azimuth_deg": a, "elevation_deg": e, "range_m": r}
        for a, e, r in zip(
            torch.rad2deg(places.azimuth).tolist(),
            torch.rad2deg(places.elevation).tolist(),
            places.range.tolist(),
            strict=True,
        )
    ]
