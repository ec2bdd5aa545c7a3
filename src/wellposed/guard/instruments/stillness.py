"""Which parameters have not changed by one bit since the guard first saw them, against a gradient.

A sample of entries acquits nearly all of them at the second look; whoever is left is convicted
only by the digest of all its bits, taken at two looks.
"""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

from ..evidence import Record
from . import Watched
from .around import Steps
from .looks import Looks
from .sample import digest, largest, same_bits, samples

SHOWN = 4


@dataclass
class _Held:
    """What is remembered of one optimizer."""

    steps: int = 0
    rate: float | None = None
    known: int = 0
    """Parameters that were ever compared."""
    first: dict[str, Tensor] = field(default_factory=dict)
    """Samples of those that were never seen to move."""
    digests: dict[str, str] = field(default_factory=dict)
    since: dict[str, int] = field(default_factory=dict)
    """Steps of the optimizer when the digest was taken first."""


class Stillness:
    """Records of the kind "still", only if there are such parameters.

    Optimizer -> how many `held` and how many of them `still`; and for the first few of these
    parameter -> `steps` of the optimizer since its bits were first read, its largest `weight` and
    `gradient`, the `lr`, and the relative spacing `eps` of its numbers. An interval in which the
    learning rate rises (warm-up) or is 0 proves nothing and is passed over.
    """

    def __init__(self, watched: Watched) -> None:
        self._watched = watched
        self._looks = Looks(watched)
        self._step: int | None = None
        self._seen: set[str] = set()
        self._held = {name: _Held() for name in watched.optimizers}
        self._table: dict[str, dict[str, float]] = {}
        self._around = Steps(watched.optimizers, self)

    def visit(self, step: int, accepted: bool) -> Iterable[tuple[str, Record]]:
        """What stood still up to the last look; then perhaps begin another one."""
        found = []
        if step != self._step and self._step is not None:
            if self._table:
                found.append(("still", Record(self._step, self._table)))
            self._step, self._table = None, {}
        if self._looks.visit(step):
            self._step, self._seen = step, set()
        self._around.visit()
        return found

    def before(self, name: str, optimizer: Optimizer) -> None:
        """Compare the weights with what they were at the first look."""
        held = self._held[name]
        if self._step is not None and name not in self._seen:
            self._seen.add(name)
            self._compare(name, held, optimizer)
        held.steps += 1

    def after(self, name: str, optimizer: Optimizer) -> None:
        """Nothing to do: a weight that is put back later has not moved either."""

    def state(self) -> dict[str, Any]:
        """Everything; samples as tensors, the rest as JSON values."""
        held = {name: asdict(each) for name, each in self._held.items()}
        for each in held.values():
            # Of sharded parameters every rank holds another piece.
            each["first"] = {k: v for k, v in each["first"].items() if k not in self._sharded()}
        return {
            "looks": self._looks.state(),
            "step": self._step,
            "seen": sorted(self._seen),
            "held": held,
            "table": self._table,
        }

    def load(self, state: Mapping[str, Any]) -> None:
        """Take over what `state` returned."""
        self._looks.load(state["looks"])
        self._step, self._seen = state["step"], set(state["seen"])
        self._table = dict(state["table"])
        for name, each in state["held"].items():
            if name in self._held:
                self._held[name] = _Held(**each)

    def _sharded(self) -> set[str]:
        return {name for name, p in self._watched.named().items() if hasattr(p, "to_local")}

    def _compare(self, name: str, held: _Held, optimizer: Optimizer) -> None:
        rates = self._rates(optimizer)
        top = max(rates.values(), default=0.0)
        rising = held.rate is None or top > held.rate
        held.rate = top
        named = self._watched.named()
        if not held.known:
            wanted = {own: named[own] for own in rates}
            held.known = len(wanted)
            taken = samples(list(wanted.values()))
            held.first = dict(zip(wanted, taken, strict=True))
            return
        self._acquit(held, {own: named[own] for own in held.first if own in named})
        pushed = self._pushed(held, rates, named)
        if rising:
            held.digests.clear()
        for own in pushed:
            bits = digest(named[own])
            if held.digests.get(own) != bits:
                held.digests[own], held.since[own] = bits, held.steps
        still = [own for own in pushed if held.since[own] < held.steps]
        if still and not rising:
            self._table[name] = {"held": float(held.known), "still": float(len(still))}
            for own in still[:SHOWN]:
                about = pushed[own] | {"lr": rates[own], "steps": float(held.steps)}
                about["steps"] -= held.since[own]
                self._table[own] = about

    def _rates(self, optimizer: Optimizer) -> dict[str, float]:
        known = {id(each): own for own, each in self._watched.named().items()}
        return {
            known[id(p)]: float(group.get("lr", 0.0))
            for group in optimizer.param_groups
            for p in group["params"]
            if id(p) in known and p.requires_grad and p.is_floating_point()
        }

    def _acquit(self, held: _Held, tensors: Mapping[str, Tensor]) -> None:
        for own, now in zip(tensors, samples(list(tensors.values())), strict=True):
            first = held.first[own]
            if first.shape != now.shape or not same_bits(first, now):
                for kept in (held.first, held.digests, held.since):
                    kept.pop(own, None)

    def _pushed(
        self, held: _Held, rates: Mapping[str, float], named: Mapping[str, Tensor]
    ) -> dict[str, dict[str, float]]:
        """Those never seen to move that have a learning rate and a gradient that is not 0."""
        asked, gradients = [], []
        for own in held.first:
            gradient = named[own].grad if own in named else None
            if rates.get(own, 0.0) > 0 and gradient is not None:
                asked.append(own)
                gradients.append(gradient)
        slopes = dict(zip(asked, largest(gradients), strict=True))
        pushed = [own for own, slope in slopes.items() if slope != 0]
        sizes = largest([named[own] for own in pushed])
        return {
            own: {
                "gradient": slopes[own],
                "weight": size,
                "eps": torch.finfo(named[own].dtype).eps,
            }
            for own, size in zip(pushed, sizes, strict=True)
        }


def instrument(watched: Watched) -> Stillness:
    """Made for every guard; without optimizers it sees nothing."""
    return Stillness(watched)
