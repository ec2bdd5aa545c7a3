"""Whether weights, optimizer states and buffers are finite: what one bad step leaves behind."""

import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from torch import Tensor

from ..evidence import Record
from ..nested import tensors_in
from ..networks import buffers_of
from . import Watched
from .looks import Looks
from .sample import largest

SHOWN = 4


class States:
    """Records of the kind "states", only if something is not finite.

    Place ("parameter", "optimizer state", "buffer") -> name -> its largest magnitude; "count" says
    how many there are. A buffer that was not finite when the run began (a mask of minus
    infinity) is no fault; with NaN it stands under "buffer from the start".
    """

    def __init__(self, watched: Watched) -> None:
        self._watched = watched
        self._looks = Looks(watched)
        self._refused = False
        self._meant: dict[str, float] | None = None

    def visit(self, step: int, accepted: bool) -> Iterable[tuple[str, Record]]:
        """Look at everything at close looks and at the first refused step in a row."""
        first_refused = not accepted and not self._refused
        self._refused = not accepted
        if not (self._looks.visit(step) or first_refused):
            return []
        table: dict[str, dict[str, float]] = {}
        for place, tensors in (
            ("parameter", self._watched.named()),
            ("optimizer state", dict(self._moments())),
        ):
            _list_bad(table, place, _bad(tensors))
        buffers = _bad({name: part[2] for name, part in buffers_of(self._watched.models).items()})
        if self._meant is None:
            self._meant = dict(buffers)
            unsure = {name: value for name, value in buffers.items() if math.isnan(value)}
            _list_bad(table, "buffer from the start", unsure)
        # Once finite, it has to stay so.
        self._meant = {name: value for name, value in self._meant.items() if name in buffers}
        _list_bad(table, "buffer", {n: v for n, v in buffers.items() if n not in self._meant})
        return [("states", Record(step, table))] if table else []

    def state(self) -> dict[str, Any]:
        """Everything, as JSON values."""
        meant = None if self._meant is None else sorted(self._meant)
        return {"looks": self._looks.state(), "refused": self._refused, "meant": meant}

    def load(self, state: Mapping[str, Any]) -> None:
        """Take over what `state` returned."""
        self._looks.load(state["looks"])
        self._refused = state["refused"]
        meant = state["meant"]
        self._meant = None if meant is None else dict.fromkeys(meant, math.inf)

    def _moments(self) -> Iterator[tuple[str, Tensor]]:
        known = {id(each): name for name, each in self._watched.named().items()}
        for optimizer in self._watched.optimizers.values():
            for parameter, kept in optimizer.state.items():
                owner = known.get(id(parameter), "a parameter")
                if isinstance(kept, Mapping):
                    for key, value in kept.items():
                        for number, tensor in enumerate(tensors_in(value)):
                            place = f" {number}" if number else ""
                            yield f"{key}{place} of {owner}", tensor


def instrument(watched: Watched) -> States:
    """Made for every guard."""
    return States(watched)


def _bad(tensors: Mapping[str, Tensor]) -> dict[str, float]:
    values = largest(list(tensors.values()))
    found = zip(tensors, values, strict=True)
    return {name: value for name, value in found if not math.isfinite(value)}


def _list_bad(table: dict[str, dict[str, float]], place: str, bad: Mapping[str, float]) -> None:
    if bad:
        table[place] = dict(list(bad.items())[:SHOWN]) | {"count": float(len(bad))}
