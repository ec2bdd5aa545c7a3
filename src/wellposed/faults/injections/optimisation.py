"""What moves the weights: which of them, how far, with which memory, in which mode."""

from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from wellposed.faults.fault import Changes, Fault


class LeftOutOfOptimizer(Fault):
    """A layer that the optimizer was never given."""

    codes = ("WP115",)

    def ready(self):
        """Take the parameters of the band split out."""
        lost = {id(p) for p in self.run.networks["model"].get_submodule("split").parameters()}
        for group in self.run.moving.optimizers["model"].param_groups:
            group["params"] = [p for p in group["params"] if id(p) not in lost]


class FrozenThatMoves(Fault):
    """A layer frozen in the middle, whose zeroed gradients let its momentum go on."""

    codes = ("WP116",)
    since = 21

    def ready(self):
        """Clear gradients by zeros."""
        optimizers = self.run.moving.optimizers.values()

        def clear() -> None:
            for optimizer in optimizers:
                optimizer.zero_grad(set_to_none=False)

        vars(self.run.stepper)["clear"] = clear

    def before(self):
        """Freeze the band split."""
        if self.step == self.since:
            self.run.networks["model"].get_submodule("split").requires_grad_(False)


class DetachedBranch(Fault):
    """A layer whose output is cut off from the graph: nothing before it can learn."""

    codes = ("WP114",)
    shows = "lasting"

    def ready(self):
        """Detach what the band split gives."""
        split = self.run.networks["model"].get_submodule("split")
        split.register_forward_hook(lambda module, given, made: made.detach())


class RateTooSmall(Fault):
    """A learning rate of a thousandth: the weights cannot arrive before the run ends."""

    codes = ("WP104",)
    shows = "lasting"
    changes: ClassVar[Changes] = {"optimizer.learning_rate": 3e-6}


class RateTooLarge(Fault):
    """A learning rate of a thousand times as much: every step destroys the weights."""

    codes = ("WP117",)
    shows = "lasting"
    changes: ClassVar[Changes] = {"optimizer.learning_rate": 3.0, "schedule.warmup_steps": 0}


class GradientsNotCleared(Fault):
    """Gradients that nobody clears: each step adds to all before it."""

    codes = ("WP317",)
    since = 1

    def ready(self):
        """Clear nothing."""
        vars(self.run.stepper)["clear"] = lambda: None


class EvaluationModeInTraining(Fault):
    """Training in evaluation mode: dropout drops nothing."""

    codes = ("WP213",)

    def build(self, networks):
        """Put a dropout behind the paths."""
        _with_dropout(networks)

    def ready(self):
        """Forget to go back to training."""
        self.run.networks["model"].eval()


class TrainingModeInValidation(Fault):
    """A validation in training mode: dropout goes on dropping."""

    codes = ("WP213",)
    shows = "validation"
    since = 1

    def build(self, networks):
        """Put a dropout behind the paths; the network ignores `eval`."""
        _with_dropout(networks)
        model = networks["model"]
        vars(model)["eval"] = lambda: model


def _with_dropout(networks: dict[str, nn.Module]) -> None:
    model: Any = networks["model"]
    model.paths = nn.Sequential(model.paths, nn.Dropout(0.1))


class StaleMoments(Fault):
    """Another loss from step 60 on, and an optimizer that still remembers the first one."""

    codes = ("WP313",)
    since = 60

    def weights(self, weights):
        """Weigh the new term only."""
        return {"away": 1.0} if self.active else weights

    def terms(self, terms, batch, moment):
        """Turn the loss round."""
        return {"away": -torch.stack(list(terms.values())).sum(0)} if self.active else terms


class BestWithoutAverage(Fault):
    """The live weights are kept as the best, although their average was validated."""

    codes = ("WP212",)
    shows = "validation"
    since = 1

    def ready(self):
        """Keep what the average holds while it is applied: the live weights."""
        run: Any = self.run
        save = run._save_best

        def live(weights: dict[str, Tensor], *others: Any) -> None:
            # While the average is in the networks, the average's own place holds their weights.
            kept = {k: v.detach().clone() for k, v in run.moving.average.weights.items()}
            save({**weights, **kept}, *others)

        vars(run)["_save_best"] = live
