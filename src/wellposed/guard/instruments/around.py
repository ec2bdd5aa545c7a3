"""Being called right before and right after an optimizer moves the weights.

`Guard.step` stands before the optimizer, in a loop that belongs to somebody else: what moved in
between two calls may have been moved by another optimizer, an average or a forward pass. Between
these two hooks nothing but the optimizer acts.
"""

import weakref
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from torch.optim import Optimizer


class StepWatcher(Protocol):
    """What wants to be called; `name` is that of the optimizer."""

    def before(self, name: str, optimizer: Optimizer) -> None:
        """The gradients are those that the step will use, clipped and unscaled."""
        ...

    def after(self, name: str, optimizer: Optimizer) -> None:
        """The weights have moved."""
        ...


def watch_steps(optimizers: Mapping[str, Optimizer], watcher: StepWatcher) -> None:
    """Call `watcher` around each step until it is no more; optimizers do not keep it alive.

    A step with a closure is left out: its gradients are made while it runs.
    """
    for name, optimizer in optimizers.items():
        inner = _innermost(optimizer)
        for register, method in (
            (inner.register_step_pre_hook, "before"),
            (inner.register_step_post_hook, "after"),
        ):
            handle = register(_hook(weakref.ref(watcher), method, name))
            weakref.finalize(watcher, handle.remove)


def _hook(
    watcher: "weakref.ref[StepWatcher]", method: str, name: str
) -> Callable[[Optimizer, tuple[Any, ...], dict[str, Any]], None]:
    def hook(optimizer: Optimizer, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        alive = watcher()
        # args[0] is the optimizer itself.
        closed = any(callable(each) for each in (*args[1:], *kwargs.values()))
        if alive is not None and not closed:
            getattr(alive, method)(name, optimizer)

    return hook


def _innermost(optimizer: Optimizer) -> Optimizer:
    # Wrappers (of accelerate, say) are optimizers by type that never were built as one.
    while not hasattr(optimizer, "_optimizer_step_pre_hooks"):
        optimizer = optimizer.optimizer  # type: ignore[missing-attribute]
    return optimizer
