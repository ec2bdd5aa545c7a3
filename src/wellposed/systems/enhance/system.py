"""The enhance system: scenes, estimate, terms, scores."""

import hashlib
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from wellposed.data import audio
from wellposed.data.corpus import CorpusChoice, open_corpus
from wellposed.data.sounds import CorpusSounds, Sounds, SyntheticSounds
from wellposed.engine.recipe import Recipe, Section
from wellposed.engine.system import Batch, Item, Moment, Networks, System
from wellposed.metrics.catalogue import metric, require_packages
from wellposed.metrics.table import score_pair, write_json
from wellposed.systems.enhance.declaration import declared
from wellposed.systems.enhance.model import Bsrnn
from wellposed.systems.enhance.objective import TERMS, enhance_terms
from wellposed.systems.enhance.recipe import SIZES, EnhanceRecipe
from wellposed.systems.enhance.scenes import EnhanceScenes

EXAMPLES = 3
"""Scenes that a run's report lets people hear: 3 x 3 sounds of 4 s are 1 MB of FLAC."""


class Enhance(System[EnhanceRecipe]):
    """Speech enhancement by a band-split recurrent network."""

    name = "enhance"
    recipe_type: ClassVar[type[Recipe]] = EnhanceRecipe
    sizes: ClassVar[Mapping[str, Section]] = SIZES
    level_metric: ClassVar[str | None] = "level_error_db"
    inputs: ClassVar[tuple[str, ...]] = ("noisy",)
    labels: ClassVar[tuple[str, ...]] = ("clean",)

    def with_recipe(self, recipe: EnhanceRecipe) -> "Enhance":
        """Return this system under another recipe, sharing the opened corpus."""
        other = Enhance(recipe)
        if (recipe.data, recipe.scenes.rate) == (self.recipe.data, self.recipe.scenes.rate):
            other.__dict__["sounds"] = self.sounds
        return other

    def build(self) -> dict[str, nn.Module]:
        """Make the one network."""
        return {"model": Bsrnn(self.recipe.model, self.recipe.scenes.rate)}

    @cached_property
    def sounds(self) -> Sounds:
        """Open the corpus, or the synthesis when no data is given."""
        data, scenes = self.recipe.data, self.recipe.scenes
        if data.path is None:
            return SyntheticSounds(scenes.rate)
        choice = CorpusChoice(
            speech_kinds=data.speech_kinds,
            noise_kinds=data.noise_kinds,
            languages=data.languages,
            exclude=data.exclude,
            exclude_licences=data.exclude_licences,
        )
        corpus = open_corpus(data.path, choice)
        return CorpusSounds(corpus, scenes.rate, data.cache_mib, scenes.minimum_range_db)

    @property
    def data_digest(self) -> str:
        """Digest of the corpus, or the version of the synthesis."""
        return self.sounds.digest

    @property
    def silent_targets(self) -> float:
        """Share of scenes without speech, as the recipe says."""
        return self.recipe.scenes.absent

    @cached_property
    def scenes(self) -> EnhanceScenes:
        """All scenes of this recipe by number."""
        return EnhanceScenes(self.recipe.scenes, self.sounds, self.recipe.seed)

    def item(self, split: str, index: int) -> Item:
        """Render a scene: noisy and clean, `(time,)` each."""
        scene = self.scenes.scene(split, index)
        return {"noisy": torch.from_numpy(scene.noisy), "clean": torch.from_numpy(scene.clean)}

    def terms(
        self, player: str, networks: Networks, batch: Batch, moment: Moment
    ) -> dict[str, Tensor]:
        """Compare the estimate, made from the noisy side alone, with the clean side."""
        estimate = networks["model"](batch["noisy"])
        moment.show(estimate=estimate, reference=batch["clean"], source=batch["noisy"])
        recipe = self.recipe
        return enhance_terms(
            estimate, batch["clean"], batch["noisy"], recipe.loss, recipe.scenes.rate
        )

    def weights(self, player: str) -> dict[str, float]:
        """Weights of the recipe's loss section."""
        loss = self.recipe.loss
        return {name: getattr(loss, name) for name in TERMS}

    def measure(self, networks: Networks, item: Item) -> dict[str, float | None]:
        """Score one scene; `noisy/NAME` is the score of the input as it is, for comparison."""
        scores = self._scores(item, _estimate(networks, item["noisy"]))
        before = self._untreated(item)
        return scores | {f"noisy/{name}": value for name, value in before.items()}

    def trivial(self, item: Item) -> Mapping[str, Mapping[str, float | None]]:
        """Score silence, the noisy input as it is, and the clean side itself."""
        silence = self._scores(item, torch.zeros_like(item["clean"]))
        reference = self._scores(item, item["clean"])
        return {"silence": silence, "input": self._passed(item), "reference": reference}

    def _untreated(self, item: Item) -> dict[str, float | None]:
        """Scores of the noisy input, less those that compare with that input."""
        scores = self._passed(item)
        return {name: score for name, score in scores.items() if not metric(name).needs_noisy}

    def _passed(self, item: Item) -> dict[str, float | None]:
        """Scores of the noisy input, computed once per scene: validations repeat their scenes."""
        content = item["noisy"].numpy().tobytes() + item["clean"].numpy().tobytes()
        key = hashlib.blake2b(content, digest_size=16).digest()
        if key not in self._before:
            self._before[key] = self._scores(item, item["noisy"])
        return self._before[key]

    @cached_property
    def _before(self) -> dict[bytes, dict[str, float | None]]:
        return {}

    def _scores(self, item: Item, estimate: Tensor) -> dict[str, float | None]:
        scores = score_pair(
            reference=item["clean"].numpy(),
            estimate=estimate.numpy(),
            rate=self.recipe.scenes.rate,
            names=list(self.metrics),
            noisy=item["noisy"].numpy(),
        )
        return {name: score.value for name, score in scores.items()}

    @property
    def metrics(self) -> dict[str, str]:
        """What is measured at a validation, and which direction is better."""
        always = ("si_sdr_improvement_db", "si_sdr_db", "estoi", "level_error_db")
        names = dict.fromkeys((self.recipe.validation.select, *always))
        require_packages(names)
        return {name: metric(name).better for name in names}

    def declared(self) -> Mapping[str, Any]:
        """Say what the audit asks with; see `declaration`."""
        return declared(self.recipe)

    @torch.no_grad()
    def show_examples(self, networks: Networks, folder: Path) -> None:
        """Write the first validation scenes that have speech: noisy, estimate, clean, scores."""
        shown = 0
        for index in range(self.recipe.validation.scenes):
            item = self.item("valid", index)
            if shown == EXAMPLES or not bool(item["clean"].any()):
                continue
            estimate = _estimate(networks, item["noisy"])
            target = folder / f"{index:02d}-validation-scene"
            sounds = {"noisy": item["noisy"], "estimate": estimate, "clean": item["clean"]}
            for name, wave in sounds.items():
                audio.write(target / f"{name}.flac", wave.numpy()[None], self.recipe.scenes.rate)
            scores = {
                "noisy": self._untreated(item),
                "estimate": self._scores(item, estimate),
            }
            write_json(target / "scores.json", scores)
            shown += 1


def _estimate(networks: Networks, noisy: Tensor) -> Tensor:
    """Enhance one waveform `(time,)` on the network's device."""
    device = next(networks["model"].parameters()).device
    return networks["model"](noisy[None].to(device))[0].cpu()
