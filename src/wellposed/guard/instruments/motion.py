"""How far each optimizer moves its weights in one step, relative to their length.

Read from a sample of entries right before and right after the optimizer at close looks. A frozen
parameter that an optimizer moves shows here, too: at close looks, and in the first step in which
one has a gradient although it requires none (an optimizer leaves alone what has none).
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from statistics import median
from typing import Any

from torch import Tensor
from torch.optim import Optimizer

from ..evidence import Record
from . import Watched
from .around import Steps
from .looks import Looks
from .sample import same_bits, samples

SHOWN = 8
"""Frozen parameters that a record names; the count is exact."""


@dataclass(frozen=True)
class _Before:
    names: list[str]
    parameters: list[Tensor]
    entries: list[Tensor]
    rate: float


class Motion:
    """Records of the kind "motion": optimizer -> how far one step went.

    `weights` with two dimensions or more had a gradient, `zero` of them were exactly 0 before;
    `step` is the median over the others of norm(dw)/norm(w). `reach` is the same times the square
    root of the smaller dimension: half of all entries lie in weights that reach further (infinitely
    far where they were 0). `lr` is the largest of the groups.

    And of the kind "frozen", if there are any: parameter -> 1 if the plan freezes it, else 0.
    """

    def __init__(self, watched: Watched) -> None:
        self._watched = watched
        self._looks = Looks(watched)
        self._now: int | None = None
        self._armed: int | None = None
        self._again = False
        self._known: set[str] = set()
        self._before: dict[str, _Before] = {}
        self._moved: dict[str, dict[str, float]] = {}
        self._thawed: dict[str, dict[str, float]] = {}
        self._around = Steps(watched.optimizers, self)

    def visit(self, step: int, accepted: bool) -> Iterable[tuple[str, Record]]:
        """What the optimizers did since the look began; then perhaps begin another one."""
        found = []
        if step != self._now and self._now is not None:
            for kind, table in (("motion", self._moved), ("frozen", self._thawed)):
                if table:
                    found.append((kind, Record(self._now, table)))
            if self._armed is not None:
                # A step longer than the weight: was the next one, too?
                self._again = any(each.get("step", 0.0) > 1 for each in self._moved.values())
            self._armed, self._moved, self._thawed = None, {}, {}
        self._now, self._before = step, {}
        if self._looks.visit(step) or (self._again and self._armed is None):
            self._armed, self._again = step, False
        self._around.visit()
        return found

    def before(self, name: str, optimizer: Optimizer) -> None:
        """Sample the weights of an optimizer, once in a look; else what was frozen just now."""
        if name in self._moved:
            return
        fed = [p for group in optimizer.param_groups for p in group["params"] if _is_fed(p)]
        if self._armed is None and not fed:
            return
        known = {id(each): own for own, each in self._watched.named().items()}
        new = {known.get(id(p), "") for p in fed} - self._known
        self._known |= new
        if self._armed is None and not new:
            return
        names, parameters, rate = [], [], 0.0
        for group in optimizer.param_groups:
            used = [p for p in group["params"] if p.is_floating_point() and p.numel()]
            if self._armed is None:
                used = [p for p in used if _is_fed(p)]
            taken = [p for p in used if self._concerns(known.get(id(p), ""), p)]
            names += [known.get(id(p), "") for p in taken]
            parameters += taken
            if any(p.grad is not None for p in taken):
                rate = max(rate, float(group.get("lr", 0.0)))
        if parameters:
            self._before[name] = _Before(names, parameters, samples(parameters), rate)

    def after(self, name: str, optimizer: Optimizer) -> None:
        """Compare with the sample before."""
        begun = self._before.pop(name, None)
        if begun is None:
            return
        pairs = list(zip(begun.entries, samples(begun.parameters), strict=True))
        steps, reaches, zero = [], [], 0
        for own, parameter, (old, new) in zip(begun.names, begun.parameters, pairs, strict=True):
            if self._is_frozen(own, parameter):
                if not same_bits(old, new):
                    self._thaw(own)
            elif parameter.ndim > 1 and parameter.grad is not None:
                length = float(old.double().norm())
                moved = float((new.double() - old.double()).norm())
                smaller = min(parameter.shape[0], parameter.numel() // parameter.shape[0])
                zero += length == 0
                if length > 0:
                    steps.append(moved / length)
                reach = moved / length * math.sqrt(smaller) if length > 0 else math.inf
                reaches.append((reach, parameter.numel()))
        if self._armed is None:
            return
        self._moved[name] = {"weights": float(len(reaches)), "zero": float(zero), "lr": begun.rate}
        if reaches:
            self._moved[name]["reach"] = _middle(reaches)
        if steps:
            self._moved[name]["step"] = median(steps)

    def state(self) -> dict[str, Any]:
        """What the next visit will report, as JSON values."""
        return {
            "looks": self._looks.state(),
            "now": self._now,
            "armed": self._armed,
            "again": self._again,
            "known": sorted(self._known),
            "moved": self._moved,
            "thawed": self._thawed,
        }

    def load(self, state: Mapping[str, Any]) -> None:
        """Take over what `state` returned."""
        self._looks.load(state["looks"])
        self._now, self._known = state["now"], set(state["known"])
        self._armed, self._again, self._before = state["armed"], state["again"], {}
        self._moved, self._thawed = dict(state["moved"]), dict(state["thawed"])

    def _concerns(self, name: str, parameter: Tensor) -> bool:
        moving = parameter.ndim > 1 and parameter.grad is not None
        return moving or self._is_frozen(name, parameter)

    def _is_frozen(self, name: str, parameter: Tensor) -> bool:
        return not parameter.requires_grad or name.startswith(self._watched.plan.frozen)

    def _thaw(self, name: str) -> None:
        total = self._thawed.setdefault("all", {"count": 0.0})
        total["count"] += 1
        if len(self._thawed) <= SHOWN:
            declared = name.startswith(self._watched.plan.frozen)
            self._thawed[name] = {"declared": float(declared)}


def instrument(watched: Watched) -> Motion:
    """Made for every guard; without optimizers it sees nothing."""
    return Motion(watched)


def _is_fed(parameter: Tensor) -> bool:
    """Whether it has a gradient although it requires none: what is left from before it froze."""
    return not parameter.requires_grad and parameter.grad is not None


def _middle(reaches: list[tuple[float, int]]) -> float:
    """The median of values that count as often as the number beside them says."""
    half, seen = sum(count for _, count in reaches) / 2, 0
    for value, count in sorted(reaches):
        seen += count
        if seen >= half:
            return value
    return math.inf
