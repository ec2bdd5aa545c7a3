"""Looking into the networks' forward passes in training, at due steps only.

Two hooks on each network stay; between due steps they return at once. Networks that are compiled,
whole or in part, or scripted are left alone: what is compiled runs without hooks and modes, and
entering a mode around it would compile it again.
"""

import weakref
from collections.abc import Mapping
from typing import Any, Protocol

import torch
from torch import nn
from torch.utils.hooks import RemovableHandle

from ..networks import plain_module
from . import Watched


class Insider(Protocol):
    """What wants to be told when a forward pass that is looked into begins and ends."""

    def enter(self, name: str, network: nn.Module) -> None:
        """The pass of a network begins."""
        ...

    def leave(self, name: str, network: nn.Module, result: Any) -> None:
        """It is over; `result` is None where it was broken off."""
        ...


class Inside:
    """Calls an insider around the passes of one step in `watched.every`, and in the first.

    Copying or pickling a network leaves this behind.
    """

    def __init__(self, watched: Watched | None = None, insider: Insider | None = None) -> None:
        self.armed = True
        self._watched = watched
        self._insider = None if insider is None else weakref.ref(insider)
        self._names: dict[int, str] = {}
        self._running: int | None = None
        self._handles: list[RemovableHandle] = []
        for name, model in ({} if watched is None else watched.models).items():
            if _compiled(model) or isinstance(plain_module(model), torch.jit.ScriptModule):
                continue
            plain = plain_module(model)
            self._names[id(plain)] = name
            before = plain.register_forward_pre_hook(self._before, prepend=True)
            after = plain.register_forward_hook(self._after, always_call=True)
            self._handles += [before, after]
        if insider is not None:
            weakref.finalize(insider, _release, self._handles)

    def __reduce__(self) -> tuple[type, tuple[()]]:
        return Inside, ()

    def visit(self, step: int) -> None:
        """A step is over: whether the next one is looked into."""
        self.armed = self._watched is not None and self._watched.due(step + 1)

    def state(self) -> dict[str, Any]:
        """Everything, as JSON values."""
        return {"armed": self.armed}

    def load(self, state: Mapping[str, Any]) -> None:
        """Take over what `state` returned."""
        self.armed = state["armed"]

    def _before(self, module: nn.Module, arguments: Any) -> None:
        if torch.compiler.is_compiling() or not self.armed or self._running is not None:
            return
        insider, name = self._alive(), self._names.get(id(module))
        seen = module.training and torch.is_grad_enabled() and not _compiled(module)
        if insider is not None and name is not None and seen:
            self._running = id(module)
            insider.enter(name, module)

    def _after(self, module: nn.Module, arguments: Any, result: Any) -> None:
        if torch.compiler.is_compiling() or self._running != id(module):
            return
        self._running = None
        insider = self._alive()
        if insider is not None:
            insider.leave(self._names[id(module)], module, result)

    def _alive(self) -> Insider | None:
        return None if self._insider is None else self._insider()


def _release(handles: list[RemovableHandle]) -> None:
    for handle in handles:
        handle.remove()


def _compiled(model: nn.Module) -> bool:
    return any(
        hasattr(part, "_orig_mod") or getattr(part, "_compiled_call_impl", None) is not None
        for part in model.modules()
    )
