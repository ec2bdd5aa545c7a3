"""What the loss wants: one term above all, a term of no use, one item above all, a reward for
silence."""

from typing import ClassVar

import torch

from wellposed.faults.fault import Changes, Fault


class TermTimesFifteen(Fault):
    """The level term weighs fifteen times as much, more than all others together."""

    codes = ("WP204",)
    shows = "lasting"
    changes: ClassVar[Changes] = {"loss.level": 15 * 0.3}


class TermNeverComputed(Fault):
    """A term with a weight in the recipe that nobody computes."""

    codes = ("WP106",)
    shows = "lasting"

    def weights(self, weights):
        """Weigh one more."""
        return {**weights, "nobody": 0.1}


class TermWithoutWeight(Fault):
    """A term that is computed, logged, and has the weight 0."""

    codes = ("WP106",)
    shows = "lasting"
    changes: ClassVar[Changes] = {"loss.level": 0.0}


class DetachedTerm(Fault):
    """A term that is cut off from the graph: it counts in the loss and moves nothing."""

    codes = ("WP106",)
    shows = "lasting"

    def terms(self, terms, batch, moment):
        """Detach it."""
        return {**terms, "magnitude": terms["magnitude"].detach()}


class OneItemTimesFiveHundred(Fault):
    """The quietest item of every batch counts five hundred times as much as the others."""

    codes = ("WP314",)
    shows = "lasting"

    def terms(self, terms, batch, moment):
        """Weigh it."""
        weight = torch.ones(len(batch["clean"]))
        weight[batch["clean"].square().mean(-1).argmin()] = 500
        return {name: value * weight for name, value in terms.items()}


class LossGrows(Fault):
    """A loss that doubles with every step from step 64 on, as a gain inside a loop makes it."""

    codes = ("WP318",)
    shows = "lasting"
    since = 64
    changes: ClassVar[Changes] = {"training.steps": 160, "validation.every": 80}

    def terms(self, terms, batch, moment):
        """Scale it."""
        return {name: value * 2.0 ** max(0, self.step - 63) for name, value in terms.items()}


class SpikeOfLoss(Fault):
    """A batch whose loss is far above all before it, all of its items alike."""

    codes = ("WP311",)
    since = 240
    changes: ClassVar[Changes] = {"training.steps": 256, "validation.every": 128}

    def batch(self, batch):
        """Give every item the target of nothing that can be heard: noise of the same level."""
        if self.step != self.since:
            return batch
        draws = torch.Generator().manual_seed(self.step)
        noise = torch.randn(batch["clean"].shape, generator=draws)
        level = batch["noisy"].square().mean(-1, keepdim=True).sqrt()
        return {**batch, "clean": 10 * level * noise}


class EnergyInDecibel(Fault):
    """The output's energy in decibels as a term: it pays for silence without end."""

    codes = ("WP319",)
    shows = "validation"
    since = 2
    changes: ClassVar[Changes] = {"training.steps": 160, "loss.level": 0.0}

    def terms(self, terms, batch, moment):
        """Add it to the waveform term."""
        power = moment.shown["estimate"].square().mean(-1)
        terms["waveform"] = terms["waveform"] + 1.0 * (power + 1e-12).log10()
        return terms
