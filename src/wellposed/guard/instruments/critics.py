"""What a critic (discriminator) can tell apart: its own loss does not say."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from statistics import fmean, variance
from typing import Any

import torch
from torch import Tensor

from ..evidence import Record
from . import Watched

TERM = "term/"
"""A quantity of this name says which term of the generator's loss the critic speaks through."""
WAITING = 64
"""Looks that may wait on the device: a step of several critics is a few, a look a few numbers."""


@dataclass(frozen=True)
class Look:
    """Scores of one call, one value an example, still on the device."""

    step: int
    name: str
    active: bool
    term: str
    real: Tensor | None
    fake: Tensor | None


class Critics:
    """Records of the kind "critics", one a call: critic -> quantity -> value.

    Scores on an accelerator wait there for `watched.every` steps, so that the host does not.
    """

    kind = "critics"

    def __init__(self, watched: Watched) -> None:
        self._every = watched.every
        self._waiting: list[Look] = []

    def take(
        self,
        step: int,
        real: Tensor | None,
        fake: Tensor | None,
        name: str,
        active: bool,
        term: str,
    ) -> Iterable[tuple[str, Record]]:
        """Take in scores `(batch, ...)`; records where too many wait."""
        scores = (_per_example(each, name) for each in (real, fake))
        self._waiting.append(Look(step, name, active, term, *scores))
        return self.read() if len(self._waiting) >= WAITING else []

    def visit(self, step: int, accepted: bool) -> Iterable[tuple[str, Record]]:
        """Records of what waits, if waiting has an end."""
        if not self._waiting:
            return []
        far = any(
            each is not None and each.device.type != "cpu"
            for look in self._waiting
            for each in (look.real, look.fake)
        )
        return [] if far and step - self._waiting[0].step < self._every else self.read()

    def read(self) -> list[tuple[str, Record]]:
        """Records of all that waits (waits for the device)."""
        looks, self._waiting = self._waiting, []
        return [(self.kind, Record(each.step, {each.name: critic_scores(each)})) for each in looks]

    def state(self) -> dict[str, Any]:
        """Nothing: what waits is read before a state is taken."""
        return {}

    def load(self, state: Mapping[str, Any]) -> None:
        """Forget what waits."""
        self._waiting = []


def instrument(watched: Watched) -> Critics:
    """Make the instrument."""
    return Critics(watched)


def critic_scores(look: Look) -> dict[str, float]:
    """Means, extremes, undefined scores, and the area under the ROC curve with its variance.

    A score that is not finite is counted and left out; it never becomes 0.
    """
    table = {"active": float(look.active)}
    if look.term:
        table[TERM + look.term] = 1.0
    defined: dict[str, list[float]] = {}
    for name, scores in (("real", look.real), ("fake", look.fake)):
        if scores is None:
            continue
        values = scores.tolist()
        defined[name] = [value for value in values if isfinite(value)]
        table[f"{name}_n"] = float(len(values))
        table[f"{name}_undefined"] = float(len(values) - len(defined[name]))
        if defined[name]:
            table[f"{name}_mean"] = fmean(defined[name])
    if len(defined) == 2 and all(defined.values()):
        together = defined["real"] + defined["fake"]
        table["low"], table["high"] = min(together), max(together)
        table["pairs"] = float(min(map(len, defined.values())))
        table["auc"], table["auc_variance"] = delong(defined["real"], defined["fake"])
    return table


def delong(real: Sequence[float], fake: Sequence[float]) -> tuple[float, float]:
    """Area under the ROC curve and its variance, by placements; ties count one half.

    The placement of a score is the share of the other kind that it beats. The variance of their
    mean is var(placements of real) / m + var(placements of fake) / n (DeLong, DeLong and
    Clarke-Pearson, Biometrics 44, 1988). Of a single score no variance can be taken; then it is
    the largest that there can be, auc (1 - auc) / min(m, n) (van Dantzig 1951).
    """
    low, high = sorted(fake), sorted(real)
    beaten = [(bisect_left(low, each) + bisect_right(low, each)) / (2 * len(low)) for each in real]
    auc = fmean(beaten)
    if min(len(real), len(fake)) < 2:
        return auc, auc * (1 - auc) / min(len(real), len(fake))
    beating = [
        1 - (bisect_left(high, each) + bisect_right(high, each)) / (2 * len(high)) for each in fake
    ]
    return auc, variance(beaten) / len(real) + variance(beating) / len(fake)


@torch.no_grad()
def _per_example(scores: Tensor | None, name: str) -> Tensor | None:
    if scores is None or scores.numel() == 0:
        return None
    if scores.dim() == 0:
        raise ValueError(
            f"Guard.critic: the scores of {name!r} are one number; wanted one an example, "
            "(batch, ...): hand over what the critic returns, before its mean is taken."
        )
    return scores.detach().float().reshape(len(scores), -1).mean(1)
