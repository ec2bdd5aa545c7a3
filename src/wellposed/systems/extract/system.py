"""The extract system: scenes, estimate, terms, scores."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from wellposed.data import audio
from wellposed.data.roombank import RoomBank, Rooms, SyntheticRooms
from wellposed.data.sounds import open_sounds
from wellposed.data.voices import Voices
from wellposed.engine.interventions import Intervention, Without
from wellposed.engine.recipe import Recipe, Section
from wellposed.engine.system import Batch, Item, Moment, Networks, System
from wellposed.metrics.catalogue import metric, require_packages
from wellposed.metrics.extraction import equal_error
from wellposed.metrics.table import write_json
from wellposed.systems.extract.declaration import declared
from wellposed.systems.extract.kinds import SCENARIOS
from wellposed.systems.extract.model import Extract, Extracted
from wellposed.systems.extract.objective import Wanted, extract_terms, terms_of
from wellposed.systems.extract.recipe import SIZES, ExtractRecipe
from wellposed.systems.extract.scenes import ExtractScenes
from wellposed.systems.extract.scoring import (
    OF_PRESENCE,
    OF_SIGNALS,
    plain_values,
    score_presence,
    score_scene,
)

MOST_OTHERS = 3
"""Rows of interferers in an item; those that nobody fills are zero."""
ALWAYS = ("si_sdr_improvement_db", "si_sdr_db", "estoi", "level_error_db")


class ExtractSystem(System[ExtractRecipe]):
    """Target-speaker extraction by a band-split network with an enrolment."""

    name = "extract"
    recipe_type: ClassVar[type[Recipe]] = ExtractRecipe
    sizes: ClassVar[Mapping[str, Section]] = SIZES
    level_metric: ClassVar[str | None] = "level_error_db"
    inputs: tuple[str, ...] = ("mixture", "enrolment")
    labels: tuple[str, ...] = ("target", "span")

    def with_recipe(self, recipe: ExtractRecipe) -> "ExtractSystem":
        """Return this system under another recipe, sharing the opened corpus."""
        other = type(self)(recipe)
        if (recipe.data, recipe.scenes.rate) == (self.recipe.data, self.recipe.scenes.rate):
            other.__dict__["voices"] = self.voices
            if recipe.scenes.rooms == self.recipe.scenes.rooms:
                other.__dict__["rooms"] = self.rooms
        return other

    def build(self) -> dict[str, nn.Module]:
        """Make the network."""
        return {"model": Extract(self.recipe.model, self.recipe.scenes.rate)}

    @cached_property
    def voices(self) -> Voices:
        """Open the corpus, or the synthesis when no data is given."""
        data, scenes = self.recipe.data, self.recipe.scenes
        return open_sounds(
            data.path, scenes.rate, data.choice, data.cache_mib, scenes.minimum_range_db
        )

    @property
    def data_digest(self) -> str:
        """Digest of the corpus, or the version of the synthesis, and of the bank of rooms."""
        if self.recipe.scenes.rooms is None:
            return self.voices.digest
        return hashlib.sha256(f"{self.voices.digest} {self.rooms.digest}".encode()).hexdigest()

    @cached_property
    def rooms(self) -> Rooms:
        """Read the bank of rooms; without one rooms are computed."""
        scenes = self.recipe.scenes
        if scenes.rooms is None:
            return SyntheticRooms(scenes.rate)
        return RoomBank.load(scenes.rooms, scenes.rate)

    @property
    def silent_targets(self) -> float:
        """Share of scenes without the target, as the recipe says."""
        return self.recipe.scenes.absent / self.recipe.scenes.block

    @cached_property
    def scenes(self) -> ExtractScenes:
        """All scenes of this recipe by number."""
        return ExtractScenes(self.recipe.scenes, self.voices, self.recipe.seed, self.rooms)

    def item(self, split: str, index: int) -> Item:
        """Render a scene: mixture, target `(time,)`, enrolment `(enrolled,)`, span `(2,)`.

        Where scenes are scored, the interferers `(3, time)` as well.
        """
        scene = self.scenes.scene(split, index)
        item = {
            "mixture": torch.from_numpy(scene.mixture),
            "target": torch.from_numpy(scene.target),
            "enrolment": torch.from_numpy(scene.enrolment),
            "span": torch.tensor(scene.span),
        }
        if split != "train":
            others = torch.zeros(MOST_OTHERS, len(scene.mixture))
            others[: len(scene.interferers)] = torch.from_numpy(scene.interferers)
            item["interferers"] = others
        return item

    def collate(self, items: Sequence[Item]) -> Batch:
        """Stack items; shorter enrolments are filled up with zeros, which do not count."""
        longest = max(len(item["enrolment"]) for item in items)
        filled = [
            {**item, "enrolment": nn.functional.pad(e, (0, longest - len(e)))}
            for item in items
            for e in (item["enrolment"],)
        ]
        return super().collate(filled)

    def terms(
        self, player: str, networks: Networks, batch: Batch, moment: Moment
    ) -> dict[str, Tensor]:
        """Compare what is made of mixture and enrolment alone with what is wanted."""
        made = Extracted(*networks["model"](batch["mixture"], batch["enrolment"]))
        moment.show(estimate=made.estimate, reference=batch["target"], source=batch["mixture"])
        wanted = Wanted(batch["mixture"], batch["target"], batch["span"])
        return extract_terms(made, wanted, self.recipe)

    def weights(self, player: str) -> dict[str, float]:
        """Weights of the terms that scenes of this recipe have."""
        return terms_of(self.recipe)

    def measure(self, networks: Networks, item: Item) -> dict[str, float | None]:
        """Score one scene; presence by the threshold that is kept with the weights."""
        made = extracted(networks, item)
        rate, present = self.recipe.scenes.rate, bool(item["target"].any())
        scores = score_scene(item, made.estimate[0].numpy(), rate, list(self.metrics))
        threshold = float(networks["model"].get_buffer("threshold"))
        scores |= score_presence(float(made.whole[0]), threshold, present=present)
        return plain_values(scores)

    def calibrate(self, networks: Networks, rows: Mapping[int, Mapping[str, float | None]]) -> None:
        """Set the threshold of presence where false alarms and misses are as frequent."""
        present, absent = presence_logits(rows.values())
        if present and absent:
            _, threshold = equal_error(present, absent)
            networks["model"].get_buffer("threshold").fill_(threshold)

    def trivial(self, item: Item) -> Mapping[str, Mapping[str, float | None]]:
        """Score silence, the mixture as it is, and the target itself, where there is a target."""
        names = [name for name in self.metrics if not metric(name).of_scene]
        outputs = {"input": item["mixture"], "reference": item["target"]}
        outputs["silence"] = torch.zeros_like(item["target"])
        rate = self.recipe.scenes.rate
        return {
            kind: plain_values(score_scene(item, wave.numpy(), rate, names))
            for kind, wave in outputs.items()
        }

    @property
    def metrics(self) -> dict[str, str]:
        """What is measured at a validation, and which direction is better."""
        wanted = (self.recipe.validation.select, *ALWAYS, *OF_SIGNALS, *OF_PRESENCE)
        names = dict.fromkeys(wanted)
        require_packages(names)
        return {name: metric(name).better for name in names}

    def interventions(self) -> list[Intervention]:
        """Easier scenes, where the recipe has what they lack."""
        scenes = self.recipe.scenes
        easier = {
            "without-rooms": ("take scenes without rooms", {"room": 0.0, "enrol_room": 0.0}),
            "without-noise": ("take scenes without noise", {"noise": 0.0, "enrol_noise": 0.0}),
        }
        return [
            Without(name, about, tuple((f"scenes.{key}", v) for key, v in values.items()))
            for name, (about, values) in easier.items()
            if any(getattr(scenes, key) != value for key, value in values.items())
        ]

    def declared(self) -> Mapping[str, Any]:
        """Say what the audit asks with; see `declaration`."""
        return declared(self.recipe)

    @torch.no_grad()
    def show_examples(self, networks: Networks, folder: Path) -> None:
        """Write a scene with the target, one with it for a while and one without it."""
        rate = self.recipe.scenes.rate
        shown: set[str] = set()
        for index, scenario in enumerate(SCENARIOS[: self.recipe.validation.scenes]):
            if scenario.kind in shown or not scenario.interferers:
                continue
            shown.add(scenario.kind)
            item = self.item("valid", index)
            estimate = extracted(networks, item).estimate[0]
            target = folder / f"{index:02d}-{scenario.name.replace(', ', '-').replace(' ', '-')}"
            sounds = {"noisy": item["mixture"], "estimate": estimate, "clean": item["target"]}
            for name, wave in sounds.items():
                audio.write(target / f"{name}.flac", wave.numpy()[None], rate)
            names = list(self.metrics)
            scores = {
                name: plain_values(score_scene(item, sounds[name].numpy(), rate, names))
                for name in ("noisy", "estimate")
            }
            write_json(target / "scores.json", scores)


def extracted(networks: Networks, item: Item, enrolment: Tensor | None = None) -> Extracted:
    """Extract from one scene, by its own enrolment `(enrolled,)` or another; on the CPU."""
    network = networks["model"]
    device = next(network.parameters()).device
    enrolment = item["enrolment"] if enrolment is None else enrolment
    made = network(item["mixture"][None].to(device), enrolment[None].to(device))
    return Extracted(*(each.cpu() for each in made))


def presence_logits(
    rows: Iterable[Mapping[str, float | None]],
) -> tuple[list[float], list[float]]:
    """Logits of the scenes with the target, and of those without it."""
    present: list[float] = []
    absent: list[float] = []
    for row in rows:
        logit = row.get("presence_logit")
        if logit is not None:
            (absent if row.get("miss") is None else present).append(logit)
    return present, absent
