"""In which module a forward pass is, and which module made which node of the autograd graph."""

from collections.abc import Mapping
from typing import Any

from torch import nn
from torch.autograd.graph import Node

from .nested import tensors_in
from .origin import OUTSIDE


class ModulePath:
    """Hooks on every part of the networks; `remove` them when the forward pass is over."""

    def __init__(self, parts: Mapping[str, nn.Module]) -> None:
        self.owners: dict[Node, str] = {}
        self._stack: list[str] = []
        self._handles: list[Any] = []
        for name, part in parts.items():
            self._handles += [
                part.register_forward_pre_hook(self._enter(name), with_kwargs=True, prepend=True),
                part.register_forward_hook(self._leave(name), always_call=True),
            ]

    @property
    def here(self) -> str:
        """Qualified name of the innermost module being run."""
        return self._stack[-1] if self._stack else OUTSIDE

    def remove(self) -> None:
        """Take all hooks off."""
        for handle in self._handles:
            handle.remove()

    def claim(self, values: Any, owner: str) -> None:
        """Every graph node behind these tensors that nobody owns yet belongs to `owner`."""
        waiting = [t.grad_fn for t in tensors_in(values)]
        while waiting:
            node = waiting.pop()
            if node is not None and node not in self.owners:
                self.owners[node] = owner
                waiting += [following for following, _ in node.next_functions]

    def _enter(self, name: str) -> Any:
        def enter(module: nn.Module, arguments: Any, keywords: Any) -> None:
            self.claim((arguments, keywords), self.here)
            self._stack.append(name)

        return enter

    def _leave(self, name: str) -> Any:
        def leave(module: nn.Module, arguments: Any, result: Any) -> None:
            self.claim(result, name)
            if self._stack and self._stack[-1] == name:
                self._stack.pop()

        return leave
