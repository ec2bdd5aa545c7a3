"""Clamps inside the networks: how many values each one changes, and where it stands.

A clamp cuts the gradient of every value that it changes. Seen are torch's clamp, clip, hardtanh
and relu6 on values with a gradient; a bound at 0 alone is a rectifier and means to bite.
"""

import sys
from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from ..evidence import Record
from ..networks import named_parts
from ..origin import SKIPPED, line_of
from . import Watched
from .inside import Inside

CLAMPS = "clamps"
"""Kind of the records: call site -> `values`, `raised`, `lowered` of one step."""

_NAMES = ("clamp", "clip", "clamp_min", "clamp_max")
_IN_PLACE = {
    getattr(home, f"{name}_")
    for home in (torch, Tensor)
    for name in _NAMES
    if hasattr(home, f"{name}_")
}
_FUNCTIONS = {
    getattr(home, name) for home in (torch, Tensor) for name in _NAMES if hasattr(home, name)
}
_ACTIVATIONS = {functional.hardtanh, functional.relu6, functional.hardtanh_}
_ALL = _FUNCTIONS | _IN_PLACE | _ACTIVATIONS


class Clamps(TorchFunctionMode):
    """Counts while a forward pass is looked into; changes no result."""

    def __init__(self, watched: Watched) -> None:
        super().__init__()
        self._watched = watched
        self._modules: dict[int, str] = {}
        self._sites: dict[str, tuple[int, Tensor]] = {}
        self._inside = Inside(watched, self)

    def visit(self, step: int, accepted: bool) -> Iterable[tuple[str, Record]]:
        """What the passes of this step have counted (waits for the device if they have)."""
        self._inside.visit(step)
        sites, self._sites = self._sites, {}
        if not sites:
            return []
        table = {}
        for site, (values, counts) in sites.items():
            raised, lowered = counts.tolist()
            table[site] = {"values": float(values), "raised": raised, "lowered": lowered}
        return [(CLAMPS, Record(step, table))]

    def state(self) -> dict[str, Any]:
        """Everything, as JSON values."""
        return self._inside.state()

    def load(self, state: Mapping[str, Any]) -> None:
        """Take over what `state` returned."""
        self._inside.load(state)

    def enter(self, name: str, network: nn.Module) -> None:
        """Watch every torch call from now on."""
        parts = named_parts(self._watched.models)
        self._modules = {id(part): place for place, part in parts.items()}
        self.__enter__()

    def leave(self, name: str, network: nn.Module, result: Any) -> None:
        """Watch no more."""
        self.__exit__(None, None, None)

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run the call; count what it changes if it is a clamp."""
        kwargs = kwargs or {}
        if func not in _ALL or not _is_counted(func, args, kwargs):
            return func(*args, **kwargs)
        given = args[0].detach()
        in_place = func in _IN_PLACE or func is functional.hardtanh_ or _asks_in_place(args, kwargs)
        given = given.clone() if in_place else given
        result = func(*args, **kwargs)
        self._count(given, result.detach())
        return result

    @torch.no_grad()
    def _count(self, given: Tensor, result: Tensor) -> None:
        # NaN compares with nothing: it is no bite.
        counts = torch.stack([(result > given).sum(), (result < given).sum()])
        site = self._site()
        values, before = self._sites.get(site, (0, torch.zeros_like(counts)))
        self._sites[site] = values + result.numel(), before + counts.to(before.device)

    def _site(self) -> str:
        """Module and line of the innermost call outside torch and outside the guard."""
        frame, line = sys._getframe(1), ""
        while frame is not None:
            code = frame.f_code
            if not line and not code.co_filename.startswith(SKIPPED):
                line = line_of(code.co_filename, frame.f_lineno)
            module = self._modules.get(id(frame.f_locals.get("self")))
            if module is not None:
                return f"{module} ({line})" if line else module
            frame = frame.f_back
        return line


def instrument(watched: Watched) -> Clamps:
    """Make the instrument."""
    return Clamps(watched)


def _is_counted(func: Any, args: Any, kwargs: Mapping[str, Any]) -> bool:
    given = args[0] if args else None
    if not isinstance(given, Tensor) or not given.requires_grad or given.numel() == 0:
        return False
    if torch._C._functorch.is_functorch_wrapped_tensor(given):
        return False
    bounds = [*args[1:3], *(kwargs[key] for key in ("min", "max") if key in kwargs)]
    bounds = [each for each in bounds if each is not None]
    zero = len(bounds) == 1 and not isinstance(bounds[0], Tensor) and bounds[0] == 0
    return func in _ACTIVATIONS or not zero


def _asks_in_place(args: Any, kwargs: Mapping[str, Any]) -> bool:
    return bool(kwargs.get("inplace", False)) or any(each is True for each in args[1:])
