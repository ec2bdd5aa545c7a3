"""Whether what an optimizer remembers of past gradients fits those of a loss that has changed."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from statistics import median
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

from ..evidence import Record
from ..finite import plain
from . import Watched
from .around import Steps

MEANS = ("exp_avg", "momentum_buffer")
SQUARES = ("exp_avg_sq", "square_avg")
"""What optimizers call their running means of gradients and of squares."""
AFTER = 3
"""Steps that are compared after a change: a mean with a decay of 0.9 keeps 73 % through them."""
PAST = 32
"""Looks that they are compared with."""
TENSORS, ENTRIES = 8, 1 << 18
"""Weights that are looked at, spread evenly over the network, none larger than this."""


@dataclass
class _Course:
    """Cosines and energies of one optimizer."""

    past: list[list[float]] = field(default_factory=list)
    fresh: list[list[float]] = field(default_factory=list)
    open: bool = False
    """Whether fresh ones are collected."""


class Moments:
    """Records of the kind "moments": the names of the terms changed, or a resume does not fit.

    Optimizer -> of the `steps` since (1 at once, then 3), and of the last `looks` before: lowest,
    median and highest `cosine` between the mean of gradients and the fresh one, and of the
    `energy`: log of the fresh squares over their running mean (where the optimizer has one).
    `changes` of names so far; `renamed` 0: after a resume; `rare` 1: outside of the past beyond
    chance. Looked at sixteen times as often as other things, since the means forget within tens of
    steps.
    """

    def __init__(self, watched: Watched) -> None:
        self._watched = watched
        self._every = max(1, watched.every // 16)
        self._step: int | None = None
        self._first: int | None = None
        self._changes = 0
        self._changed = False
        self._losses: set[tuple[str, ...]] = set()
        self._courses = {name: _Course() for name in watched.optimizers}
        self._resumed: dict[str, list[list[float]]] = {}
        self._table: dict[str, dict[str, float]] = {}
        self._around = Steps(watched.optimizers, self)

    def visit(self, step: int, accepted: bool) -> Iterable[tuple[str, Record]]:
        """What the last step showed; whether this one follows a change."""
        found = []
        if step != self._step and self._step is not None and self._table:
            found.append(("moments", Record(self._step, self._table)))
            self._table = {}
        self._step = step
        self._changed = accepted and self._is_changed(step)
        self._around.visit()
        return found

    def before(self, name: str, optimizer: Optimizer) -> None:
        """Compare what was remembered before this step with the gradient of this step."""
        course, resumed = self._courses[name], self._resumed.get(name)
        if self._changed:
            # It is the optimizer that steps next whose loss has new names.
            course.fresh, course.open = [], True
        look = (self._step or 0) % self._every == 0
        if not (look or course.open or resumed is not None):
            return
        pair = _compared(optimizer)
        if pair is None:
            # A fresh optimizer remembers nothing that could be stale.
            course.fresh, course.open = [], False
            self._resumed.pop(name, None)
            return
        if resumed is not None:
            resumed.append(pair)
            if len(resumed) == AFTER:
                self._tell(name, self._resumed.pop(name), renamed=False)
        if course.open:
            course.fresh.append(pair)
            # At once that something is remembered; later what the gradients say of it.
            if len(course.fresh) in (1, AFTER):
                self._tell(name, course.fresh, renamed=True)
            if len(course.fresh) == AFTER:
                course.fresh, course.open = [], False
        elif look:
            course.past = [*course.past, pair][-PAST:]

    def after(self, name: str, optimizer: Optimizer) -> None:
        """Nothing to do."""

    def state(self) -> dict[str, Any]:
        """Everything, as JSON values."""
        return {
            "step": self._step,
            "first": self._first,
            "changes": self._changes,
            "changed": self._changed,
            "losses": sorted(map(list, self._losses)),
            "courses": {name: asdict(each) for name, each in self._courses.items()},
            "table": self._table,
        }

    def load(self, state: Mapping[str, Any]) -> None:
        """Take over what `state` returned. The steps after it are compared with those before."""
        self._step, self._first = state["step"], state["first"]
        self._changes, self._table = state["changes"], dict(state["table"])
        self._changed = state["changed"]
        self._losses = {tuple(names) for names in state["losses"]}
        for name, each in state["courses"].items():
            if name in self._courses:
                self._courses[name] = _Course(**each)
        self._resumed = {name: [] for name in self._courses}

    def _is_changed(self, step: int) -> bool:
        self._first = step if self._first is None else self._first
        names = tuple(self._watched.terms)
        if names in self._losses:
            return False
        self._losses.add(names)
        # Within the first step every player shows its terms for the first time.
        self._changes += step != self._first
        return step != self._first

    def _tell(self, name: str, fresh: list[list[float]], renamed: bool) -> None:
        past = self._courses[name].past
        table = {
            "steps": float(len(fresh)),
            "looks": float(len(past)),
            "changes": float(self._changes),
            "renamed": float(renamed),
        }
        for place, kind in enumerate(("cosine", "energy")):
            new, old = [pair[place] for pair in fresh], [pair[place] for pair in past]
            if old and all(map(math.isfinite, (*new, *old))):
                table |= {f"{kind}_lowest": min(new), f"{kind}_highest": max(new)}
                table |= {f"{kind}_median": median(new), f"past_{kind}_median": median(old)}
                table |= {f"past_{kind}_lowest": min(old), f"past_{kind}_highest": max(old)}
        rare = chance(len(past)) <= self._watched.plan.level(max(1, self._changes))
        rare = rare and len(fresh) == AFTER
        outside = is_outside(table, "cosine") < 0 or is_outside(table, "energy") != 0
        # A mere resume that fits leaves no trace.
        if renamed or (rare and outside):
            self._table[name] = table | {"rare": float(rare and outside)}


def chance(looks: int) -> float:
    """Bound on the chance that three fresh values lie on one of three sides of all the past."""
    return 3 / math.comb(looks + AFTER, AFTER)


def is_outside(table: Mapping[str, float], kind: str) -> int:
    """-1 if all fresh values lie below all of the past, 1 if all lie above, else 0."""
    if f"past_{kind}_lowest" not in table:
        return 0
    above = table[f"{kind}_lowest"] > table[f"past_{kind}_highest"]
    below = table[f"{kind}_highest"] < table[f"past_{kind}_lowest"]
    return int(above) - int(below)


def instrument(watched: Watched) -> Moments:
    """Made for every guard; without optimizers it sees nothing."""
    return Moments(watched)


@torch.no_grad()
def _compared(optimizer: Optimizer) -> list[float] | None:
    """Cosine and energy (NaN without running squares); None without a memory of gradients."""
    taken = []
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            gradient, kept = parameter.grad, optimizer.state.get(parameter, {})
            mean = next((kept[key] for key in MEANS if isinstance(kept.get(key), Tensor)), None)
            square = next((kept[key] for key in SQUARES if isinstance(kept.get(key), Tensor)), None)
            # Rows of a sparse gradient are not those of its mean.
            usable = gradient is not None and gradient.layout == torch.strided
            if mean is not None and usable and 0 < parameter.numel() <= ENTRIES:
                taken.append((gradient, mean, square, _filled(group, kept)))
    if not taken:
        return None
    chosen = [taken[place * len(taken) // TENSORS] for place in range(TENSORS)]
    sums = torch.zeros(4)
    for gradient, mean, square, filled in dict.fromkeys(chosen):
        g, m = (plain(each).reshape(-1).float() for each in (gradient, mean))
        v = g.new_zeros(()) if square is None else plain(square).float().sum() / filled
        sums += torch.stack([g @ m, g @ g, m @ m, v]).cpu()
    product, fresh, old, squares = sums.tolist()
    if not 0 < fresh * old < math.inf:
        return None
    energy = math.log(fresh / squares) if 0 < squares < math.inf else math.nan
    return [product / math.sqrt(fresh * old), energy]


def _filled(group: Mapping[str, Any], kept: Mapping[str, Any]) -> float:
    """Share of its final size to which Adam's mean of squares has grown from its beginning at 0."""
    betas, steps = group.get("betas", ()), float(kept.get("step", 0))
    return 1 - betas[1] ** steps if len(betas) > 1 and steps > 0 else 1.0
