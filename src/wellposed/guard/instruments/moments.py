"""Whether an optimizer's momentum still points along the gradient, after the loss has changed."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from statistics import median
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

from ..evidence import Record
from . import Watched
from .around import Steps
from .looks import Looks
from .sample import samples

KEYS = ("exp_avg", "momentum_buffer")
"""What optimizers call their running mean of gradients."""
AFTER = 3
"""Steps that are compared after a change: a mean with a decay of 0.9 keeps 73 % through them."""
PAST = 32
"""Close looks that they are compared with."""


@dataclass
class _Course:
    """Cosines between the mean of past gradients and the fresh one, of one optimizer."""

    past: list[float] = field(default_factory=list)
    fresh: list[float] = field(default_factory=list)


class Moments:
    """Records of the kind "moments", only when the loss has changed and the cosines with it.

    Optimizer -> `highest` cosine of the steps after the change, `lowest`, `median` and
    `top` of those at the last `looks` before, `changes` so far; `renamed` 1: the names of
    the terms changed, 0: the run was resumed.
    """

    def __init__(self, watched: Watched) -> None:
        self._watched = watched
        self._looks = Looks(watched)
        self._step: int | None = None
        self._close = False
        self._left = 0
        self._changes = 0
        self._losses: set[tuple[str, ...]] = set()
        self._first: int | None = None
        self._courses = {name: _Course() for name in watched.optimizers}
        self._table: dict[str, dict[str, float]] = {}
        self._resumed: dict[str, list[float]] = {}
        self._around = Steps(watched.optimizers, self)

    def visit(self, step: int, accepted: bool) -> Iterable[tuple[str, Record]]:
        """What the last step showed; whether this one follows a change."""
        found = []
        if step != self._step:
            if self._table and self._step is not None:
                found.append(("moments", Record(self._step, self._table)))
            self._table, self._left = {}, max(0, self._left - 1)
            self._close = self._looks.visit(step)
        self._step = step
        self._notice_change(step)
        self._around.visit()
        return found

    def before(self, name: str, optimizer: Optimizer) -> None:
        """Compare the mean of the gradients before this step with the gradient of this step."""
        resumed = self._resumed.get(name, [0.0] * AFTER)
        if not (self._close or self._left or len(resumed) < AFTER):
            return
        cosine = _cosine(optimizer)
        course = self._courses[name]
        if cosine is None:
            return
        if self._left:
            course.fresh.append(cosine)
            if len(course.fresh) == AFTER:
                self._judge(name, course.past, course.fresh)
            return
        if len(resumed) < AFTER:
            resumed.append(cosine)
            if len(resumed) == AFTER:
                self._judge(name, course.past, resumed)
        if self._close:
            course.past = [*course.past, cosine][-PAST:]

    def after(self, name: str, optimizer: Optimizer) -> None:
        """Nothing to do."""

    def state(self) -> dict[str, Any]:
        """Everything, as JSON values."""
        return {
            "looks": self._looks.state(),
            "step": self._step,
            "close": self._close,
            "left": self._left,
            "changes": self._changes,
            "losses": sorted(map(list, self._losses)),
            "first": self._first,
            "courses": {name: asdict(each) for name, each in self._courses.items()},
            "table": self._table,
        }

    def load(self, state: Mapping[str, Any]) -> None:
        """Take over what `state` returned. The steps after it are compared with those before."""
        self._looks.load(state["looks"])
        self._step, self._close = state["step"], state["close"]
        self._changes = state["changes"]
        self._losses = {tuple(names) for names in state["losses"]}
        self._first = state["first"]
        self._table = dict(state["table"])
        self._left = state["left"]
        for name, each in state["courses"].items():
            if name in self._courses:
                self._courses[name] = _Course(**each)
        self._resumed = {name: [] for name in self._courses}

    def _notice_change(self, step: int) -> None:
        self._first = step if self._first is None else self._first
        names = tuple(self._watched.terms)
        if names in self._losses:
            return
        self._losses.add(names)
        # Within the first step every player shows its terms for the first time.
        if step != self._first:
            self._left, self._changes = AFTER, self._changes + 1
            for course in self._courses.values():
                course.fresh = []

    def _judge(self, name: str, past: list[float], fresh: list[float]) -> None:
        renamed = fresh is self._courses[name].fresh
        # After a mere resume the loss has not changed as far as anybody knows: beyond the past
        # by all that the past ever varied.
        room = 0.0 if renamed or not past else max(past) - min(past)
        if past and max(fresh) < min(past) - room:
            self._table[name] = {
                "highest": max(fresh),
                "lowest": min(past),
                "median": median(past),
                "top": max(past),
                "looks": float(len(past)),
                "changes": float(self._changes),
                "renamed": float(renamed),
            }


def instrument(watched: Watched) -> Moments:
    """Made for every guard; without optimizers it sees nothing."""
    return Moments(watched)


def _cosine(optimizer: Optimizer) -> float | None:
    means: list[Tensor] = []
    gradients: list[Tensor] = []
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            kept = optimizer.state.get(parameter, {})
            mean = next((kept[key] for key in KEYS if isinstance(kept.get(key), Tensor)), None)
            gradient = parameter.grad
            # Rows of a sparse gradient are not those of a sample.
            if mean is not None and gradient is not None and gradient.layout == torch.strided:
                means.append(mean)
                gradients.append(gradient)
    product = first = second = 0.0
    for own, mean, gradient in zip(gradients, samples(means), samples(gradients), strict=True):
        # Each sample stands for all entries of its tensor.
        weight = own.numel() / max(mean.numel(), 1)
        mean, gradient = mean.double(), gradient.double()
        product += weight * float(mean @ gradient)
        first += weight * float(mean @ mean)
        second += weight * float(gradient @ gradient)
    norms = math.sqrt(first * second)
    return product / norms if 0 < norms < math.inf else None
