"""The codec system: scenes, estimate, terms, scores."""

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import torch
import torch.distributed as dist
from torch import Tensor, nn

from wellposed.data import audio
from wellposed.data.sounds import Sounds, open_sounds
from wellposed.engine.interventions import Intervention, Without
from wellposed.engine.recipe import Recipe, Section
from wellposed.engine.system import Batch, Item, Moment, Networks, Player, System
from wellposed.errors import RecipeError
from wellposed.metrics.catalogue import metric, require_packages
from wellposed.metrics.table import score_pair, write_json
from wellposed.nn.balance import Balancer
from wellposed.nn.critics import Said, WaveCritic
from wellposed.nn.critics.least_squares import fake_term, real_term
from wellposed.systems.codec.declaration import declared
from wellposed.systems.codec.fitting import fit_books
from wellposed.systems.codec.model import Codec, Estimate
from wellposed.systems.codec.objective import coder_terms, latent_shares, names_of
from wellposed.systems.codec.recipe import SIZES, CodecRecipe
from wellposed.systems.codec.scenes import CodecScenes
from wellposed.systems.codec.told import tell_books, tell_levels
from wellposed.systems.codec.transform import start_as_transform

CRITIC = "critic"
NEVER = 1 << 30
"""A step that no run comes to."""
BALANCE = "balance"
MEASURED = ("si_sdr_db", "snr_db", "stoi", "mel_distance_db", "level_error_db")
HALVED = ("si_sdr_db", "mel_distance_db")
"""What is told of half of the stages, besides what selects."""
EXAMPLES = 3
"""Scenes that a run's report lets people hear."""


class CodecSystem(System[CodecRecipe]):
    """A neural speech codec."""

    name = "codec"
    recipe_type: ClassVar[type[Recipe]] = CodecRecipe
    sizes: ClassVar[Mapping[str, Section]] = SIZES
    level_metric: ClassVar[str | None] = "level_error_db"
    inputs: tuple[str, ...] = ("wave",)

    def __init__(self, recipe: CodecRecipe) -> None:
        """Take a critic in if the recipe has one."""
        super().__init__(recipe)
        if recipe.critic.from_step:
            self.players = (Player("model", ("model",)), Player(CRITIC, (CRITIC,)))

    def with_recipe(self, recipe: CodecRecipe) -> "CodecSystem":
        """Return this system under another recipe, sharing the opened corpus."""
        other = type(self)(recipe)
        if (recipe.data, recipe.scenes.rate) == (self.recipe.data, self.recipe.scenes.rate):
            other.__dict__["sounds"] = self.sounds
        return other

    def build(self) -> dict[str, nn.Module]:
        """Make the codec, and its critic if there is one. Raises RecipeError: several processes."""
        if dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1:
            raise RecipeError(
                f"codec: {dist.get_world_size()} processes would each revive other codes of the "
                "books; train it in one process"
            )
        recipe, rate = self.recipe, self.recipe.scenes.rate
        codec = Codec(recipe.model, rate)
        if recipe.model.start == "transform":
            start_as_transform(codec)
        networks: dict[str, nn.Module] = {"model": codec}
        if recipe.loss.balanced:
            networks[BALANCE] = Balancer(names_of(recipe))
        if recipe.critic.from_step:
            chosen = recipe.critic
            networks[CRITIC] = WaveCritic(
                rate,
                chosen.periods,
                chosen.windows_ms,
                chosen.period_channels,
                chosen.band_channels,
            )
        return networks

    def plays(self, player: str, step: int) -> bool:
        """The critic joins at its step."""
        return player != CRITIC or self._criticised(step)

    @property
    def audited_step(self) -> int:
        """The step from which quantizer and critic are there."""
        return max(self.recipe.loss.quantize_from, self.recipe.critic.from_step)

    def _criticised(self, step: int) -> bool:
        return 0 < self.recipe.critic.from_step <= step

    @cached_property
    def sounds(self) -> Sounds:
        """Open the corpus, or the synthesis when no data is given."""
        data, scenes = self.recipe.data, self.recipe.scenes
        return open_sounds(data.path, scenes.rate, data.choice, data.cache_mib)

    @property
    def data_digest(self) -> str:
        """Digest of the corpus, or the version of the synthesis."""
        return self.sounds.digest

    @cached_property
    def scenes(self) -> CodecScenes:
        """All scenes of this recipe by number."""
        return CodecScenes(self.recipe.scenes, self.sounds, self.recipe.seed)

    def item(self, split: str, index: int) -> Item:
        """Render a scene: `wave` `(time,)`, what goes in and what should come out."""
        return {"wave": torch.from_numpy(self.scenes.scene(split, index).wave)}

    def terms(
        self, player: str, networks: Networks, batch: Batch, moment: Moment
    ) -> dict[str, Tensor]:
        """Compare what is decoded with what was encoded; or judge both."""
        wave, model = batch["wave"], networks["model"]
        self._fit(model, moment)
        if player == CRITIC:
            with torch.no_grad():
                made = self._estimate(model, wave, moment, learning=False)
            return _judged(networks[CRITIC], made.wave, wave, moment)
        made = self._estimate(model, wave, moment, learning=True)
        moment.show(estimate=made.wave, reference=wave)
        said = None
        if self._criticised(moment.step):
            critic = networks[CRITIC]
            with torch.no_grad():
                real: list[Said] = critic(wave)
            said = critic(made.wave), real
        terms = coder_terms(made, wave, self.recipe, said)
        if self.recipe.loss.balanced:
            terms = networks[BALANCE](terms, self.weights("model"), made.wave)
        self._tell(model, made, wave, terms, moment)
        return terms

    def _estimate(
        self, model: nn.Module, wave: Tensor, moment: Moment, *, learning: bool
    ) -> Estimate:
        """Code and decode; some scenes by a random number of stages, the same for both players.

        In evaluation mode all stages are there, as in use.
        """
        stages = self.recipe.model.stages
        share = self.recipe.loss.dropout if model.training else 0.0
        # Its own generator: the draws must not depend on who asks first.
        seed = moment.generator.initial_seed()
        draws = torch.Generator(device=wave.device).manual_seed(seed)
        number = torch.randint(1, stages + 1, (len(wave),), generator=draws, device=wave.device)
        dropped = torch.rand(len(wave), generator=draws, device=wave.device) < share
        counts = torch.where(dropped, number, stages)
        quantize = moment.step >= self.recipe.loss.quantize_from
        alone, rest = self.recipe.loss.decoder_alone_from, self.recipe.loss.books_rest_from
        learning = learning and (rest is None or moment.step < rest)
        return model(
            wave,
            counts,
            generator=moment.generator if learning else None,
            quantize=quantize,
            decoder_alone=alone is not None and moment.step >= alone,
        )

    def _fit(self, model: nn.Module, moment: Moment) -> None:
        """Fit the books once, when quantization begins."""
        codec = _codec(model)
        if moment.step < self.recipe.loss.quantize_from or bool(codec.quantizer.started):
            return
        scenes = (
            self.item("train", moment.step * self.recipe.training.batch_size + number)["wave"]
            for number in range(1 << 31)
        )
        fit_books(codec, scenes, self.recipe.seed, self.recipe.loss.fit_latents)
        # An average would hold what the books were before for hundreds of steps.
        moment.leap()

    def _tell(
        self,
        model: nn.Module,
        made: Estimate,
        wave: Tensor,
        terms: Mapping[str, Tensor],
        moment: Moment,
    ) -> None:
        codec = _codec(model)
        tell_levels(moment, made, wave)
        if made.codes.shape[1]:
            for number, size in enumerate(codec.books):
                moment.codes(made.codes[:, number], size, name=f"stage {number + 1}")
            tell_books(moment, codec)
        if moment.step % self.recipe.training.log_every == 0 and made.latent.requires_grad:
            shares = latent_shares(terms, self.weights("model"), made)
            moment.tell(**{f"share/{name}": share for name, share in shares.items()})

    def weights(self, player: str) -> dict[str, float]:
        """Weights of the recipe's loss section; both terms of the critic count alike."""
        if player == CRITIC:
            return {"real": 1.0, "fake": 1.0}
        return {name: getattr(self.recipe.loss, name) for name in names_of(self.recipe)}

    def measure(self, networks: Networks, item: Item) -> dict[str, float | None]:
        """Score one scene, coded as files are, with all stages and with half of them."""
        estimates = self._coded(networks, item)
        scores = self._scores(item, estimates["estimate"])
        half = self._scores(item, estimates["half"])
        told = dict.fromkeys((self.recipe.validation.select, *HALVED))
        return scores | {f"half/{name}": half[name] for name in told}

    def _coded(self, networks: Networks, item: Item) -> dict[str, Tensor]:
        codec = _codec(networks["model"])
        wave = item["wave"][None].to(next(codec.parameters()).device)
        codes, samples = codec.encode(wave), wave.shape[-1]
        half = codes[:, : max(1, codes.shape[1] // 2)]
        return {
            "estimate": codec.decode(codes, samples)[0].cpu(),
            "half": codec.decode(half, samples)[0].cpu(),
        }

    def trivial(self, item: Item) -> Mapping[str, Mapping[str, float | None]]:
        """Score silence, and the original itself."""
        silence = self._scores(item, torch.zeros_like(item["wave"]))
        return {"silence": silence, "reference": self._scores(item, item["wave"])}

    def _scores(self, item: Item, estimate: Tensor) -> dict[str, float | None]:
        scores = score_pair(
            reference=item["wave"].numpy(),
            estimate=estimate.numpy(),
            rate=self.recipe.scenes.rate,
            names=self._names,
        )
        return {name: score.value for name, score in scores.items()}

    @cached_property
    def _names(self) -> tuple[str, ...]:
        names = tuple(dict.fromkeys((self.recipe.validation.select, *MEASURED)))
        require_packages(names)
        return names

    @property
    def metrics(self) -> dict[str, str]:
        """What is measured at a validation, and which direction is better."""
        return {name: metric(name).better for name in self._names}

    def interventions(self) -> list[Intervention]:
        """Go round the quantizer, or round the critic."""
        heard = self.recipe.critic.from_step
        round_both = {"loss.quantize_from": NEVER} | ({"critic.from_step": NEVER} if heard else {})
        about = "go round the quantizer" + (
            " and the critic, which hears what it gives" * bool(heard)
        )
        found = [Without("bypass-quantizer", about, tuple(round_both.items()))]
        if heard:
            values = (("critic.from_step", NEVER),)
            found.append(Without("bypass-critic", "leave the critic out", values))
        return list(found)

    def declared(self) -> Mapping[str, Any]:
        """What the audit of the problem must know besides."""
        return declared(self.recipe)

    @torch.no_grad()
    def show_examples(self, networks: Networks, folder: Path) -> None:
        """Write the first validation scenes: original, coded and decoded, scores."""
        for index in range(min(EXAMPLES, self.recipe.validation.scenes)):
            item = self.item("valid", index)
            estimate = self._coded(networks, item)["estimate"]
            target = folder / f"{index:02d}-validation-scene"
            for name, wave in {"estimate": estimate, "clean": item["wave"]}.items():
                audio.write(target / f"{name}.flac", wave.numpy()[None], self.recipe.scenes.rate)
            write_json(target / "scores.json", {"estimate": self._scores(item, estimate)})


def _judged(critic: nn.Module, fake: Tensor, real: Tensor, moment: Moment) -> dict[str, Tensor]:
    """The critic's terms, and what the guard wants to know of it."""
    false, true = ([each.scores for each in critic(wave)] for wave in (fake, real))
    moment.critic(torch.cat(true, 1), torch.cat(false, 1), name=CRITIC, term="fooling")
    return {"real": real_term(true), "fake": fake_term(false)}


def _codec(model: nn.Module) -> Codec:
    """The network itself, also where it is wrapped for several processes."""
    return next(module for module in model.modules() if isinstance(module, Codec))
