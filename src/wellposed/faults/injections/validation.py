"""Validations that do not repeat, choose what is dead, average failures away, or are not heeded."""

from typing import Any, ClassVar

import torch

from wellposed.faults.fault import Changes, Fault
from wellposed.faults.hosts import Enhanced


class BelowTrivial(Fault):
    """A network that was broken from the start and does not learn: worse than no network."""

    codes = ("WP401",)
    shows = "validation"
    since = 1

    def ready(self):
        """Scramble the signs of the output's samples, and hold the weights."""
        model = self.run.networks["model"]

        def scrambled(module: Any, given: Any, made: torch.Tensor) -> torch.Tensor:
            signs = torch.ones(made.shape[-1])
            signs[::2] = -1
            return made * signs

        model.register_forward_hook(scrambled)


class SilencePays(Fault):
    """An SI-SDR that gives silence 0 dB chooses the checkpoint, on scenes where that is much."""

    codes = ("WP402",)
    shows = "validation"
    since = 2
    """Half of the plan lies behind; before it a young network may be worse than silence."""
    changes: ClassVar[Changes] = {"validation.select": "si_sdr_db", "scenes.snr_db": (-20.0, -15.0)}

    def score(self, scores, item, estimate):
        """Compute it with the same small number above and below the line."""
        clean = item["clean"]
        target = (estimate @ clean) / (clean @ clean + 1e-8) * clean
        ratio = (target @ target + 1e-8) / ((estimate - target).square().sum() + 1e-8)
        return {**scores, "si_sdr_db": float(10 * ratio.log10())}


class ReshuffledValidation(Fault):
    """Every validation draws other scenes under the name of the same list."""

    codes = ("WP403", "WP404")
    shows = "validation"
    since = 1
    drawn = -1

    def item(self, item, split, index):
        """Take scenes as they come."""
        if split != "valid":
            return item
        self.drawn += 1
        return _host(self).scene(split, self.drawn)


class FreshValidation(Fault):
    """Every validation draws another list of scenes, where a tenth of a decibel is to count."""

    codes = ("WP404",)
    shows = "validation"
    since = 2
    """The first change, worth knowing; the second is a warning, since one may be meant."""
    changes: ClassVar[Changes] = {"training.steps": 128, "validation.minimum_gain": 0.1}
    list = -1

    def item(self, item, split, index):
        """Take scenes of this validation's own list, and say that it is another."""
        if split != "valid" or self.step < 0:
            return item
        number = self.step // self.run.recipe.validation.every
        if number != self.list:
            self.list = number
            self.run.trivial.clear()
            self.run.moving.selection.scenes = f"list {number}"
        return _host(self).scene(split, 100 * number + index)


class NanInValidation(Fault):
    """A validation scene whose score is not a number."""

    codes = ("WP405",)
    shows = "validation"
    since = 1

    def score(self, scores, item, estimate):
        """Spoil all scores of the first scene, found by its content."""
        first = _host(self).scene("valid", 0)
        if torch.equal(item["noisy"], first["noisy"]):
            scores.update(dict.fromkeys(scores, float("nan")))
        return scores


class FourScenesForEver(Fault):
    """A training that repeats the same four scenes: its loss falls, what it is for does not."""

    codes = ("WP407",)
    shows = "validation"
    since = 8
    """Half of the plan; before it a young network may lose here what it will win there."""
    changes: ClassVar[Changes] = {
        "training.steps": 640,
        "validation.every": 40,
        "validation.scenes": 32,
        "schedule.shape": "constant",
        "average.decay": 0.97,
    }

    def item(self, item, split, index):
        """Take one of four."""
        return _host(self).scene(split, index % 4) if split == "train" else item


class CriterionUnmet(Fault):
    """A promise of the recipe that nobody keeps: 20 dB better from the first validation on."""

    codes = ("WP408",)
    shows = "validation"
    since = 1
    changes: ClassVar[Changes] = {
        "validation.criteria": {"si_sdr_improvement_db": {"low": 20.0, "step": 1}}
    }


def _host(fault: Fault) -> Enhanced:
    system = fault.run.system
    assert isinstance(system, Enhanced)
    return system
