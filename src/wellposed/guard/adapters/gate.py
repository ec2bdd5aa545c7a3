"""What stands before `optimizer.step` and lets through what was accepted.

Clearing gradients is no refusal: Adam moves on its moments when a gradient is 0, decays weights and
counts the step. Only a step that is not called leaves everything as it was.
"""

from collections.abc import Callable, Mapping
from functools import wraps
from types import MethodType
from typing import Any

import torch
from torch.amp import GradScaler
from torch.optim import LBFGS, Optimizer


class Gate:
    """Asks before each step of one optimizer; `remove` takes it away.

    A closure is evaluated first, so that `ask` finds the gradients, and its value is returned. The
    gradients of a refused step are cleared.
    `ready` says whether this call of `step` will move the weights at all.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        ask: Callable[[], bool],
        ready: Callable[[], bool] = lambda: True,
    ) -> None:
        if isinstance(getattr(optimizer, "optimizer", optimizer), LBFGS):
            raise TypeError(
                "Gate: LBFGS evaluates the loss several times within one step, so there is no "
                "moment between gradients and weights; call Guard.step yourself."
            )
        self._optimizer = optimizer
        self._open = False
        self._own = "step" in vars(optimizer)
        self._inner = optimizer.step

        # Schedulers look for their own mark here, and what they wrap must be a bound method.
        @wraps(self._inner)
        def step(_: Optimizer, closure: Callable[[], Any] | None = None, **keywords: Any) -> Any:
            if self._open or not ready():
                return self._inner(closure, **keywords)
            value = None
            if closure is not None:
                with torch.enable_grad():
                    value = closure()
            if not ask():
                # A player that clears only its own would meet them again in the other's turn.
                optimizer.zero_grad()
                return value
            moved = self._inner(**keywords)
            return moved if closure is None else value

        self._step = MethodType(step, optimizer)
        optimizer.step = self._step  # type: ignore[method-assign]

    def remove(self) -> None:
        """Let every step through from now on."""
        self._open = True
        if vars(self._optimizer).get("step") is self._step:
            del self._optimizer.step
            if self._own:
                self._optimizer.step = self._inner  # type: ignore[method-assign]


class ScalerGate:
    """Asks before a gradient scaler steps: it leaves out steps on its own, without a word.

    `accepts` is called with the optimizer, `after` when it has moved or not.
    """

    def __init__(
        self,
        scaler: GradScaler,
        accepts: Callable[[Optimizer], bool],
        after: Callable[[], None],
    ) -> None:
        self._scaler = scaler
        inner = scaler.step

        def step(optimizer: Optimizer, *arguments: Any, **keywords: Any) -> Any:
            accepted = accepts(optimizer)
            try:
                return inner(optimizer, *arguments, **keywords)
            finally:
                after()
                if not accepted:
                    optimizer.zero_grad()

        scaler.step = step  # type: ignore[method-assign]

    def remove(self) -> None:
        """Give the scaler its own `step` back."""
        del self._scaler.step


class Count:
    """Numbers the steps: one ends when an optimizer that has moved in it moves again.

    So a generator and a critic share a number, whichever comes first and however often.
    """

    def __init__(self) -> None:
        self._step = -1
        self._moved: set[str] = set()

    def number(self, name: str) -> int:
        """Number of the step in which the optimizer `name` moves now, from 0."""
        if self._step < 0 or name in self._moved:
            self._step += 1
            self._moved.clear()
        self._moved.add(name)
        return self._step

    @property
    def latest(self) -> int:
        """Number of the last step; 0 before the first."""
        return max(self._step, 0)

    def state(self) -> dict[str, Any]:
        """Everything, as JSON values."""
        return {"step": self._step, "moved": sorted(self._moved)}

    def load(self, state: Mapping[str, Any]) -> None:
        """Take over what `state` returned."""
        self._step, self._moved = state["step"], set(state["moved"])
