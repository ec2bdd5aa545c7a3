"""Numbers that are not finite: in a term, a slope, a weight, a moment, or behind a mask."""

import torch
from torch import Tensor, nn

from wellposed.faults.fault import Fault


class LogOfZero(Fault):
    """The logarithm of zero in a term, in one step."""

    codes = ("WP301",)
    since = 21

    def terms(self, terms, batch, moment):
        """Add it."""
        if self.step == self.since:
            terms["level"] = terms["level"] + (0 * terms["level"]).log()
        return terms


class RootOfZero(Fault):
    """The slope of a square root at zero, in one step: the loss is finite, its gradient is not."""

    codes = ("WP302",)
    since = 21

    def terms(self, terms, batch, moment):
        """Add it."""
        if self.step == self.since:
            terms["level"] = terms["level"] + (0 * terms["level"]).square().sqrt()
        return terms


class EqualEigenvalues(Fault):
    """Eigenvectors of a covariance with equal eigenvalues, in one step."""

    codes = ("WP302",)
    since = 21

    def terms(self, terms, batch, moment):
        """Add their first entries."""
        if self.step == self.since:
            covariance = torch.eye(3) * (1 + 0 * moment.shown["estimate"].sum())
            terms["level"] = terms["level"] + torch.linalg.eigh(covariance)[1][0].sum()
        return terms


class HiddenBehindMask(Fault):
    """Features that are not numbers, replaced by zeros further on: nobody sees them."""

    codes = ("WP316",)

    def build(self, networks):
        """Put a module that divides by zero in front of one that hides it."""
        model = networks["model"]
        model.paths = nn.Sequential(model.paths, Divided(), Hidden())


class Divided(nn.Module):
    """The tenth feature of each frame is the ratio of two zeros, which has no gradient."""

    def forward(self, features: Tensor) -> Tensor:
        """Return features of the same shape."""
        tenth = torch.arange(features.shape[-1]) == 10
        nothing = 0 * features.detach()
        return torch.where(tenth, nothing / nothing, features)


class Hidden(nn.Module):
    """Zeros where something is not finite."""

    def forward(self, features: Tensor) -> Tensor:
        """Return features of the same shape."""
        return torch.where(features.isfinite(), features, 0.0)


class NanInWeight(Fault):
    """One weight that is not a number, written by something outside the optimizer."""

    codes = ("WP315", "WP301")
    since = 21

    @torch.no_grad()
    def before(self):
        """Write it."""
        if self.step == self.since:
            weight = next(p for p in self.run.networks["model"].parameters() if p.ndim > 1)
            weight[0, 0] = float("nan")


class NanInMoment(Fault):
    """One moment of Adam that is not a number: the weight follows one step later."""

    codes = ("WP315", "WP301")
    since = 22

    def before(self):
        """Write it one step before it can be seen in the loss."""
        if self.step == self.since - 1:
            optimizer = self.run.moving.optimizers["model"]
            first = next(iter(optimizer.state.values()))
            first["exp_avg"].view(-1)[0] = float("nan")
