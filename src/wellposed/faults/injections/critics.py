"""Critics (discriminators): not begun, constant, never wrong, or fed by a metric that fails."""

from typing import ClassVar

import torch

from wellposed.faults.fault import Changes, Fault


class CriticNotBegun(Fault):
    """A critic that joins at a step that never comes."""

    codes = ("WP107",)
    host = "duel"

    def terms(self, terms, batch, moment):
        """Say so, and let it count nothing."""
        for name, said in moment.critics.items():
            moment.critics[name] = said._replace(active=False)
        return terms


class CriticConstant(Fault):
    """A critic that says the same to everything: its last layer is zero and learns nothing."""

    codes = ("WP108",)
    shows = "lasting"
    host = "duel"

    def build(self, networks):
        """Set the last layer to zero."""
        last = list(networks["critic"].children())[-1].requires_grad_(False)
        for parameter in last.parameters():
            torch.nn.init.zeros_(parameter)


class CriticNeverWrong(Fault):
    """A critic that knows real examples by an offset, behind a sigmoid that saturates."""

    codes = ("WP109",)
    shows = "lasting"
    host = "duel"
    changes: ClassVar[Changes] = {"training.steps": 224, "validation.every": 112}

    def build(self, networks):
        """Put a steep sigmoid behind its scores."""
        networks["critic"].append(Steep())

    def batch(self, batch):
        """Give what the critic sees as real an offset of the mixture's level."""
        if self.player != "critic":
            return batch
        level = batch["noisy"].square().mean(-1, keepdim=True).sqrt()
        return {**batch, "clean": batch["clean"] + level}


class MetricFails(Fault):
    """A critic that predicts a metric; where the metric raises, the target is not a number."""

    codes = ("WP110",)
    host = "duel"
    since = 21

    def terms(self, terms, batch, moment):
        """Spoil the first real score in what is shown, and leave it out of the loss."""
        for name, said in moment.critics.items():
            if self.active and said.real is not None:
                real = said.real.detach().clone()
                real[0] = float("nan")
                moment.critics[name] = said._replace(real=real)
                terms["real"] = terms["real"][1:]
        return terms


class Steep(torch.nn.Module):
    """A sigmoid that is 0 or 1 for all but small scores."""

    def forward(self, scores: torch.Tensor) -> torch.Tensor:
        """Return values from 0 to 1."""
        return torch.sigmoid(20 * scores)
