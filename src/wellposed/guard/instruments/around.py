"""Being called right before and right after an optimizer moves the weights.

`Guard.step` stands before the optimizer, in a loop that belongs to somebody else: what moved in
between two calls may have been moved by another optimizer, an average or a forward pass. Between
these two hooks nothing but the optimizer acts.
"""

import weakref
from collections.abc import Mapping
from typing import Any, Protocol

import torch
from torch.optim import Optimizer


class StepWatcher(Protocol):
    """What wants to be called; `name` is that of the optimizer."""

    def before(self, name: str, optimizer: Optimizer) -> None:
        """The gradients are those that the step will use, clipped and unscaled."""
        ...

    def after(self, name: str, optimizer: Optimizer) -> None:
        """The weights have moved."""
        ...


class Steps:
    """Calls a watcher around each step; lives as long as it is kept, not as the optimizers do.

    A step with a closure makes its gradients while it runs: there the watcher is called at the
    guard's visit, if that comes from within the closure, and after the step.
    """

    def __init__(self, optimizers: Mapping[str, Optimizer], watcher: StepWatcher) -> None:
        # Weakly, so that the hooks go at once when the watcher does, without a collection.
        self._watcher = weakref.ref(watcher)
        self._open: dict[str, Optimizer] = {}
        self._begun: set[str] = set()
        me: weakref.ref[Any] = weakref.ref(self)
        for name, given in optimizers.items():
            optimizer = _innermost(given)
            if optimizer is not None:
                before = optimizer.register_step_pre_hook(_before(me, name))
                after = optimizer.register_step_post_hook(_after(me, name))
                weakref.finalize(self, before.remove)
                weakref.finalize(self, after.remove)

    def visit(self) -> None:
        """The guard has been called."""
        for name, optimizer in self._open.items():
            self._begin(name, optimizer)

    def begin(self, name: str, optimizer: Optimizer, closed: bool) -> None:
        """A step begins."""
        if closed:
            self._open[name] = optimizer
        else:
            self._begin(name, optimizer)

    def end(self, name: str, optimizer: Optimizer) -> None:
        """A step is over."""
        self._open.pop(name, None)
        if name in self._begun:
            self._begun.remove(name)
            watcher = self._watcher()
            if watcher is not None:
                watcher.after(name, optimizer)

    def _begin(self, name: str, optimizer: Optimizer) -> None:
        watcher = self._watcher()
        if watcher is not None:
            watcher.before(name, optimizer)
            self._begun.add(name)


def _before(me: "weakref.ref[Any]", name: str) -> Any:
    def hook(optimizer: Optimizer, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        # A step that is compiled as a whole is left alone; nothing is measured then.
        if not torch.compiler.is_compiling() and (steps := me()) is not None:
            # args[0] is the optimizer itself.
            closed = any(callable(each) for each in (*args[1:], *kwargs.values()))
            steps.begin(name, optimizer, closed)

    return hook


def _after(me: "weakref.ref[Any]", name: str) -> Any:
    def hook(optimizer: Optimizer, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        if not torch.compiler.is_compiling() and (steps := me()) is not None:
            steps.end(name, optimizer)

    return hook


def _innermost(optimizer: Optimizer) -> Optimizer | None:
    # Wrappers (of accelerate, say) are optimizers by type that never were built as one.
    inner: Any = optimizer
    while inner is not None and not hasattr(inner, "_optimizer_step_pre_hooks"):
        inner = getattr(inner, "optimizer", None)
    return inner
