"""Outputs of modules that are not finite though the network's own output is."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from ..dense import plain
from ..evidence import Record
from ..nested import tensors_in
from ..networks import named_parts
from . import Watched
from .inside import Inside

HIDDEN = "hidden"
"""Kind of the records, made only where something is hidden: module -> `nan` (1: NaN, 0: only
infinities) and `order` (0 for the first module that was done)."""


@dataclass(frozen=True)
class Output:
    """What left a module: whether all is finite, and whether any of it is NaN."""

    module: str
    finite: Tensor
    nan: Tensor


class Hidden:
    """Looks at the outputs of all modules in the passes that are looked into."""

    def __init__(self, watched: Watched) -> None:
        self._watched = watched
        self._outputs: list[Output] = []
        self._whole: list[Output] = []
        self._handles: list[RemovableHandle] = []
        self._inside = Inside(watched, self)

    def visit(self, step: int, accepted: bool) -> Iterable[tuple[str, Record]]:
        """A record if something was hidden in this step (waits for the device at due steps)."""
        self._inside.visit(step)
        outputs, whole, self._outputs, self._whole = self._outputs, self._whole, [], []
        if not outputs or not accepted or not all(bool(each.finite) for each in whole):
            return []
        flags = torch.stack([each.finite.to(outputs[0].finite.device) for each in outputs])
        table: dict[str, dict[str, float]] = {}
        for each, finite in zip(outputs, flags.tolist(), strict=True):
            if not finite and each.module not in table:
                table[each.module] = {"nan": float(each.nan), "order": float(len(table))}
        return [(HIDDEN, Record(step, table))] if table else []

    def state(self) -> dict[str, Any]:
        """Everything, as JSON values."""
        return self._inside.state()

    def load(self, state: Mapping[str, Any]) -> None:
        """Take over what `state` returned."""
        self._inside.load(state)

    def enter(self, name: str, network: nn.Module) -> None:
        """Hook every part of the network but the whole."""
        inside = {id(each) for each in network.modules()} - {id(network)}
        for place, part in named_parts(self._watched.models).items():
            # Scripted modules take no hooks.
            if id(part) in inside and not isinstance(part, torch.jit.ScriptModule):
                self._handles.append(part.register_forward_hook(_look(place, self._outputs)))

    def leave(self, name: str, network: nn.Module, result: Any) -> None:
        """Take the hooks off again."""
        for handle in self._handles:
            handle.remove()
        self._handles.clear()
        _look(name, self._whole)(network, None, result)


def instrument(watched: Watched) -> Hidden:
    """Make the instrument."""
    return Hidden(watched)


def _look(place: str, into: list[Output]) -> Any:
    @torch.no_grad()
    def look(module: nn.Module, arguments: Any, result: Any) -> None:
        for tensor in tensors_in(result):
            if tensor.is_floating_point() or tensor.is_complex():
                numbers = plain(tensor.detach())
                into.append(Output(place, numbers.isfinite().all(), numbers.isnan().any()))

    return look
