"""The enhance system: scenes, estimate, terms, scores."""

import hashlib
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from wellposed.data import audio
from wellposed.data.sounds import Sounds, open_sounds
from wellposed.dsp.stft import Stft
from wellposed.engine.interventions import Intervention, RecipeChange, Without
from wellposed.engine.recipe import Recipe, Section
from wellposed.engine.system import Batch, Item, Moment, Networks, Player, System
from wellposed.metrics.catalogue import metric, require_packages
from wellposed.metrics.table import score_pair, write_json
from wellposed.nn.critics.metric import MetricCritic
from wellposed.systems.enhance.critic import (
    PLAYER,
    WEIGHTS,
    MetricTargets,
    critic_terms,
    critics_word,
)
from wellposed.systems.enhance.declaration import declared
from wellposed.systems.enhance.model import Bsrnn
from wellposed.systems.enhance.objective import consistency_term, enhance_terms, terms_of
from wellposed.systems.enhance.recipe import SIZES, EnhanceRecipe
from wellposed.systems.enhance.scenes import EnhanceScenes

EXAMPLES = 3
"""Scenes that a run's report lets people hear: 3 x 3 sounds of 4 s are 1 MB of FLAC."""


class Enhance(System[EnhanceRecipe]):
    """Speech enhancement by a band-split recurrent network."""

    name = "enhance"
    recipe_type: ClassVar[type[Recipe]] = EnhanceRecipe
    sizes: ClassVar[Mapping[str, Section]] = SIZES
    targets: MetricTargets | None = None
    """True scores for the critic; none without a critic."""
    level_metric: ClassVar[str | None] = "level_error_db"
    inputs: tuple[str, ...] = ("noisy",)
    labels: tuple[str, ...] = ("clean",)

    def __init__(self, recipe: EnhanceRecipe) -> None:
        """Take a critic in if any phase of the recipe listens to one."""
        super().__init__(recipe)
        steps = (0, *(phase.from_step for phase in recipe.curriculum))
        if any(recipe.at_step(step)[1].loss.metric > 0 for step in steps):
            self._take_critic(MetricTargets(recipe.scenes.rate, recipe.training.workers))

    def _take_critic(self, targets: MetricTargets) -> None:
        self.targets = targets
        self.players = (Player("model", ("model",)), Player(PLAYER, (PLAYER,)))

    def with_recipe(self, recipe: EnhanceRecipe) -> "Enhance":
        """Return this system under another recipe, sharing the opened corpus and the critic."""
        other = Enhance(recipe)
        if self.targets is not None:
            other._take_critic(self.targets)
        if (recipe.data, recipe.scenes.rate) == (self.recipe.data, self.recipe.scenes.rate):
            other.__dict__["sounds"] = self.sounds
        return other

    def build(self) -> dict[str, nn.Module]:
        """Make the network, and its critic if there is one."""
        rate = self.recipe.scenes.rate
        networks: dict[str, nn.Module] = {"model": Bsrnn(self.recipe.model, rate)}
        if self.targets is not None:
            networks[PLAYER] = MetricCritic(rate)
        return networks

    @cached_property
    def sounds(self) -> Sounds:
        """Open the corpus, or the synthesis when no data is given."""
        data, scenes = self.recipe.data, self.recipe.scenes
        return open_sounds(
            data.path, scenes.rate, data.choice, data.cache_mib, scenes.minimum_range_db
        )

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
        loss, targets = self.recipe.loss, self.targets
        if player == PLAYER and targets is not None:
            return critic_terms(networks, batch, moment, targets, active=loss.metric > 0)
        noisy, rate = batch["noisy"], self.recipe.scenes.rate
        made = None
        if loss.consistency > 0:
            estimate, made = networks["model"](noisy, whole=True)
        else:
            estimate = networks["model"](noisy)
        moment.show(estimate=estimate, reference=batch["clean"], source=noisy)
        if targets is not None:
            targets.ask(moment, estimate, batch)
        terms = enhance_terms(estimate, batch["clean"], noisy, loss, rate)
        if made is not None:
            model = self.recipe.model
            stft = Stft.of_duration(rate, model.window_ms, model.hop_ms)
            terms["consistency"] = consistency_term(made, noisy, stft)
        if loss.metric > 0:
            terms["metric"] = critics_word(networks, estimate, batch)
        return terms

    def weights(self, player: str) -> dict[str, float]:
        """Weights of the recipe's loss section; those of the critic are fixed."""
        return dict(WEIGHTS) if player == PLAYER else terms_of(self.recipe.loss)

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

    def interventions(self) -> list[Intervention]:
        """Spectra of another kind, and easier scenes, where the recipe has what they lack."""
        loss, found = self.recipe.loss, list[Intervention]()
        if loss.hearing:
            about = "weigh all frequencies alike"
            found.append(RecipeChange("plain-spectra", about, (("loss.hearing", False),)))
        if loss.complex:
            values = (("loss.complex", 0.0), ("loss.real_imaginary", loss.complex))
            about = "compare real and imaginary parts uncompressed"
            found.append(RecipeChange("uncompressed-spectra", about, values))
        if self.recipe.scenes.room:
            about = "take scenes without rooms"
            found.append(Without("without-rooms", about, (("scenes.room", 0.0),)))
        return found

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
