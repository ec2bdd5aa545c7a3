"""Which parameters never received a gradient, and which receive one that nobody uses."""

from collections.abc import Iterable, Mapping
from typing import Any

from torch import Tensor

from ..evidence import Record
from ..networks import Watchlist
from . import Watched
from .looks import Looks
from .sample import largest_waiting, same_bits, samples

SHOWN = 4


class Belonging:
    """Records of the kinds "unfed" and "orphans", only if there are such parameters.

    "unfed": owner (optimizer, or network where no optimizer is known) -> `count` of its `held`
    parameters that require grad and had none at any call (None, or exactly 0) in the `steps`
    since the owner had its first; then the names of the first few.

    "orphans" (only where optimizers are known): network -> `count` of parameters that require
    grad and receive one, but are in no optimizer and did not move either; `held` of the network
    are in one; then the names of the first few.
    """

    def __init__(self, watched: Watched) -> None:
        self._watched = watched
        self._looks = Looks(watched)
        self._steps = 0
        self._latest: int | None = None
        self._unfed: set[str] | None = None
        self._fed_since: dict[str, int] = {}
        self._waiting: list[tuple[list[str], Tensor]] = []
        self._suspects: dict[str, tuple[Tensor, Tensor]] = {}

    def visit(self, step: int, accepted: bool) -> Iterable[tuple[str, Record]]:
        """Note at every call who had a gradient; tell at close looks who never had."""
        is_new, previous, self._latest = step != self._latest, self._latest, step
        self._steps += is_new
        self._note()
        found = []
        if is_new and self._suspects and previous is not None:
            table = self._orphans()
            found += [("orphans", Record(previous, table))] if table else []
        if self._looks.visit(step):
            table = self._starving()
            found += [("unfed", Record(step, table))] if table else []
            unowned = self._unowned() if self._watched.optimizers else {}
            taken = samples(list(unowned.values()))
            pairs = zip(unowned.items(), taken, strict=True)
            self._suspects = {own: (p, entries) for (own, p), entries in pairs}
        return found

    def state(self) -> dict[str, Any]:
        """Everything but suspects, whom the next look finds again, as JSON values."""
        self._read()
        return {
            "looks": self._looks.state(),
            "steps": self._steps,
            "latest": self._latest,
            "unfed": None if self._unfed is None else sorted(self._unfed),
            "fed_since": self._fed_since,
        }

    def load(self, state: Mapping[str, Any]) -> None:
        """Take over what `state` returned."""
        self._looks.load(state["looks"])
        self._steps, self._latest = state["steps"], state["latest"]
        self._unfed = None if state["unfed"] is None else set(state["unfed"])
        self._fed_since = dict(state["fed_since"])
        self._waiting, self._suspects = [], {}

    def _note(self) -> None:
        if self._unfed is None:
            self._unfed = set(self._owners())
        if not self._unfed:
            return
        named = self._watched.named()
        asked = [own for own in self._unfed if own in named and named[own].grad is not None]
        gradients = [each for own in asked if (each := named[own].grad) is not None]
        for places, norms in largest_waiting(gradients):
            self._waiting.append(([asked[place] for place in places], norms))
        # After the first step nearly all are out of question.
        if self._steps == 1 or len(self._waiting) > self._watched.every:
            self._read()

    def _read(self) -> None:
        for names, norms in self._waiting:
            fed = [name for name, norm in zip(names, norms.tolist(), strict=True) if norm != 0]
            if fed and self._unfed is not None:
                self._unfed -= set(fed)
        self._waiting = []

    def _owners(self) -> dict[str, str]:
        """Parameter that should learn -> its optimizer, or its network where none is known."""
        owner = {id(p): name for p, name in self._places()}
        return {
            own: owner[id(p)]
            for own, p in self._watched.named().items()
            if p.requires_grad and id(p) in owner and not own.startswith(self._watched.plan.frozen)
        }

    def _places(self) -> list[tuple[Tensor, str]]:
        if not self._watched.optimizers:
            models = self._watched.models.items()
            return [(p, name) for name, model in models for p in model.parameters()]
        return [
            (p, name)
            for name, optimizer in self._watched.optimizers.items()
            for group in optimizer.param_groups
            for p in group["params"]
        ]

    def _starving(self) -> dict[str, dict[str, float]]:
        self._read()
        table: dict[str, dict[str, float]] = {}
        owners = self._owners()
        for owner in dict.fromkeys(owners.values()):
            held = [own for own, its in owners.items() if its == owner]
            unfed = [own for own in held if own in (self._unfed or ())]
            if len(unfed) < len(held):
                self._fed_since.setdefault(owner, self._steps)
            if unfed and owner in self._fed_since:
                steps = float(self._steps - self._fed_since[owner])
                table[owner] = {"count": float(len(unfed)), "held": float(len(held))}
                table[owner] |= {"steps": steps}
                table |= {own: {} for own in unfed[:SHOWN]}
        return table

    def _unowned(self) -> dict[str, Tensor]:
        held = {id(p) for p, _ in self._places()}
        # Walked through again: a module may have been replaced since the guard was made.
        named = Watchlist(self._watched.models, self._watched.optimizers).named()
        return {
            own: p
            for own, p in named.items()
            if p.requires_grad
            and p.grad is not None
            and id(p) not in held
            and not own.startswith(self._watched.plan.frozen)
        }

    def _orphans(self) -> dict[str, dict[str, float]]:
        """Those that nobody has moved since the look: an optimizer may be unknown to the guard."""
        suspects, self._suspects = self._suspects, {}
        now = samples([p for p, _ in suspects.values()])
        still = [
            own for (own, (_, old)), new in zip(suspects.items(), now, strict=True)
            if same_bits(old, new)
        ]  # fmt: skip
        held = {id(p) for p, _ in self._places()}
        table: dict[str, dict[str, float]] = {}
        for name, model in self._watched.models.items():
            inside = {id(p) for p in model.parameters()}
            lost = [own for own in still if id(suspects[own][0]) in inside]
            if lost:
                table[name] = {"count": float(len(lost)), "held": float(len(inside & held))}
                table |= {own: {} for own in lost[:SHOWN]}
        return table


def instrument(watched: Watched) -> Belonging:
    """Made for every guard."""
    return Belonging(watched)
