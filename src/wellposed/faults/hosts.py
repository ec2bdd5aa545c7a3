"""The systems that faults are put into: the real enhancer, small, alone or against a critic, a
coder, and an array that finds directions."""

from functools import cached_property, lru_cache
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from wellposed.engine.recipe import changed
from wellposed.engine.system import Batch, Item, Moment, Networks, Player, System
from wellposed.faults.bearings import Bearings
from wellposed.faults.fault import Changes, Fault, Scores
from wellposed.faults.spoiled import Spoiled
from wellposed.systems.enhance.recipe import SIZES, EnhanceRecipe
from wellposed.systems.enhance.system import Enhance

SHORT: dict[str, Any] = {
    "training.steps": 96,
    "training.batch_size": 4,
    "training.threads": 1,
    "training.device": "cpu",
    "training.log_every": 1000,
    "training.checkpoint_every": 1000,
    "training.refusals_allowed": 3,
    "optimizer.learning_rate": 3e-3,
    "schedule.warmup_steps": 8,
    "average.decay": 0.9,
    "validation.every": 32,
    "validation.scenes": 12,
}
"""What recipes of hosts have in common: a run of a few seconds of one core."""
SMALL: dict[str, Any] = {
    "model": SIZES["tiny"].model_dump(mode="json"),
    "scenes.rate": 8000,
    "scenes.seconds": 0.5,
    "scenes.validation_seconds": 1.5,
    "scenes.snr_db": (0.0, 10.0),
    "scenes.noises": (0.0, 1.0, 0.0, 0.0),
    "scenes.babble": 0.0,
    "scenes.room": 0.0,
    "loss.waveform": 0.3,
    "loss.level": 0.3,
    **SHORT,
}
"""The recipe of enhance, small and easy enough to be well after 96 steps, a few seconds of one
core: one noise a scene, and more weight on what SI-SDR and level need. With the weights of the
recipe as it is, the level falls for the first hundreds of steps and comes back later: a short run
would end in a symptom that is real."""


@lru_cache(maxsize=4096)
def _scene(recipe: str, split: str, index: int) -> Item:
    return Enhance(EnhanceRecipe.model_validate_json(recipe)).item(split, index)


class Enhanced(Spoiled, Enhance):
    """Enhance, with a fault in it. Scenes are kept: many trials share them."""

    changes: ClassVar[Changes] = SMALL
    """The recipe of this host, as differences from the defaults."""

    def scene(self, split: str, index: int) -> Item:
        """Render a scene, or take the one that was rendered before."""
        return _scene(self._scenes_alone, split, index)

    @cached_property
    def _scenes_alone(self) -> str:
        return self.recipe.model_dump_json(include={"scenes", "data", "seed"})

    def _scores(self, item: Item, estimate: Tensor) -> Scores:
        return self.fault.score(super()._scores(item, estimate), item, estimate)


class Duelled(Enhanced):
    """The enhancer against a critic that tells clean speech from its output."""

    fool: ClassVar[float] = 0.02
    """Weight of the critic's word, so that it counts a few percent of the loss."""
    players: tuple[Player, ...] = (
        Player("generator", ("model",)),
        Player("critic", ("critic",)),
    )

    def networks(self) -> dict[str, nn.Module]:
        """Make the enhancer and a critic on waveforms."""
        slope = 0.2
        critic = nn.Sequential(
            nn.Conv1d(1, 8, 32, stride=8),
            nn.LeakyReLU(slope),
            nn.Conv1d(8, 16, 8, stride=4),
            nn.LeakyReLU(slope),
            nn.Conv1d(16, 1, 4),
        )
        return {**super().networks(), "critic": critic}

    def compare(
        self, player: str, networks: Networks, batch: Batch, moment: Moment
    ) -> dict[str, Tensor]:
        """Compute least-squares terms of both (Mao et al., arXiv:1611.04076)."""
        critic, noisy = networks["critic"], batch["noisy"]
        level = _level(noisy)
        if player == "generator":
            terms = super().compare(player, networks, batch, moment)
            said = critic((moment.shown["estimate"] / level)[:, None]).flatten(1)
            return {**terms, "fool": (said - 1).square().mean(-1)}
        with torch.no_grad():
            estimate = networks["model"](noisy)
        real = critic((batch["clean"] / level)[:, None]).flatten(1)
        fake = critic((estimate / level)[:, None]).flatten(1)
        moment.critic(real, fake, term="fool")
        return {"real": (real - 1).square().mean(-1), "fake": fake.square().mean(-1)}

    def weights(self, player: str) -> dict[str, float]:
        """Weights of the recipe and of the critic."""
        if player == "critic":
            return self.fault.weights({"real": 1.0, "fake": 1.0})
        return {**super().weights(player), "fool": self.fool}


class Coded(Enhanced):
    """A coder with a codebook that has the clean side to say in five bits for 16 samples."""

    changes: ClassVar[Changes] = {
        **SMALL,
        "optimizer.learning_rate": 1e-2,
        "validation.select": "si_sdr_db",
    }

    def item(self, split: str, index: int) -> Item:
        """Render a scene: what goes in is what should come out."""
        clean = super().item(split, index)["clean"]
        return {"noisy": clean, "clean": clean}

    def networks(self) -> dict[str, nn.Module]:
        """Make the coder."""
        return {"model": Coder()}

    def compare(
        self, player: str, networks: Networks, batch: Batch, moment: Moment
    ) -> dict[str, Tensor]:
        """Compute the distance of waveforms and that of latents from their codes."""
        model = networks["model"]
        assert isinstance(model, Coder)
        clean = batch["clean"]
        estimate = model(clean)
        moment.show(estimate=estimate, reference=clean)
        moment.codes(model.chosen, len(model.codes))
        level = _level(clean)
        return {
            "waveform": ((estimate - clean) / level).abs().mean(-1),
            "codes": model.distance,
        }

    def weights(self, player: str) -> dict[str, float]:
        """Both alike."""
        return self.fault.weights({"waveform": 1.0, "codes": 1.0})

    def trivial(self, item: Item) -> dict[str, Scores]:
        """Score silence; the input is the reference here."""
        return {"silence": self._scores(item, torch.zeros_like(item["noisy"]))}


class Coder(nn.Module):
    """Frames of 16 samples, at unit level, to one of 32 codes and back (van den Oord et al.,
    arXiv:1711.00937)."""

    chosen: Tensor
    """Codes of the last call, `(batch, frames)`."""
    distance: Tensor
    """Squared distances of its latents from their codes, `(batch,)`."""

    def __init__(self, frame: int = 16, latent: int = 8, size: int = 32) -> None:
        """Draw the weights; the codes are latents of noise, so that all lie where latents do."""
        super().__init__()
        self.frame = frame
        self.encode = nn.Linear(frame, latent)
        self.decode = nn.Sequential(nn.Linear(latent, 64), nn.ReLU(), nn.Linear(64, frame))
        with torch.no_grad():
            codes = self.encode(torch.randn(size, frame))
        self.codes = nn.Parameter(codes)

    def forward(self, wave: Tensor) -> Tensor:
        """Code and decode `(batch, time)`; what does not fill a frame is silent."""
        level = _level(wave)
        frames = (wave / level).unfold(-1, self.frame, self.frame)
        latents = self.encode(frames)
        self.chosen = torch.cdist(latents.detach(), self.codes.detach()[None]).argmin(-1)
        codes = self.codes[self.chosen]
        pull = (latents.detach() - codes).square() + 0.25 * (latents - codes.detach()).square()
        self.distance = pull.mean((-2, -1))
        made = self.decode(latents + (codes - latents).detach()).flatten(1) * level
        return nn.functional.pad(made, (0, wave.shape[-1] - made.shape[-1]))


def _level(wave: Tensor) -> Tensor:
    return wave.square().mean(-1, keepdim=True).sqrt() + 1e-4


class Located(Spoiled, Bearings):
    """Directions from an array, with a fault in it."""

    changes: ClassVar[Changes] = {
        **SHORT,
        # The gradient norm is 0.7 to 3.3 in the 96 steps: touches only outliers.
        "optimizer.clip_norm": 5.0,
        "validation.select": "held",
    }


HOSTS: dict[str, type[Enhanced] | type[Located]] = {
    "enhance": Enhanced,
    "duel": Duelled,
    "coder": Coded,
    "bearings": Located,
}
QUESTIONS: dict[str, tuple[str, ...]] = {
    "bearings": ("label_leak", "splits_apart", "terms_lead_to_truth")
}
"""What the audit is asked of a host without fault: all that its faults are asked."""


def host(name: str, fault: Fault, changes: Changes) -> System[Any]:
    """Make a host of `fault`; its small recipe is changed by host, fault and `changes`."""
    kind = HOSTS[name]
    keys = {**kind.changes, **fault.changes, **changes}
    return kind(changed(kind.recipe_type(), keys, "faults"), fault)  # type: ignore[bad-argument-type]
