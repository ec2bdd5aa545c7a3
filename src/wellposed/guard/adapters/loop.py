"""A plain or an Accelerate loop in which the verdict comes by itself:

    with guarded(model, optimizer) as guard:
        for noisy, clean in loader:
            estimate = model(noisy)
            terms = {"l1": (estimate - clean).abs().mean()}
            optimizer.zero_grad()
            sum(terms.values()).backward()
            guard.terms(terms, estimate=estimate, reference=clean)
            optimizer.step()        # left out if the gradients or the terms are not finite

An accelerator is taken as it is; nothing of Accelerate is imported.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.amp import GradScaler
from torch.optim import Optimizer

from .. import ranks
from ..finite import Term
from ..networks import as_optimizers
from ..watch import Guard
from .gate import Count, Gate, ScalerGate


class LoopGuard(Guard):
    """A `Guard` that is asked by `optimizer.step()`; made by `guarded`."""

    def __init__(
        self,
        models: nn.Module | Mapping[str, nn.Module],
        optimizers: Optimizer | Mapping[str, Optimizer],
        veto: bool = True,
        **options: Any,
    ) -> None:
        super().__init__(models, optimizers, veto=veto, **options)
        self.count = Count()
        self._gates: list[Gate | ScalerGate] = []
        self._verdict: bool | None = None
        self._number: int | None = None
        self._told: dict[str, list[Tensor]] = {}
        self._shown: dict[str, Any] = {}

    def terms(self, terms: Mapping[str, Term], step: int | None = None, **shown: Any) -> None:
        """Say what the next step is judged by: the parts of its loss, unweighted, and what
        `Guard.step` takes beside them (`estimate`, `reference`, `batch`, `replay`, ...).

        With accumulated gradients call it for each piece. `step` is the number to report; without
        it steps are counted, and optimizers that take turns share a number.
        """
        for name, term in terms.items():
            value = term.detach() if isinstance(term, Tensor) else torch.tensor(float(term))
            self._told.setdefault(name, []).append(value)
        self._shown |= shown
        self._number = step
        self.forget()

    def step(
        self,
        step: int,
        terms: Mapping[str, Term],
        estimate: Tensor | None = None,
        reference: Tensor | None = None,
        **shown: Any,
    ) -> bool:
        """Judge now, as `Guard.step` does; the next `optimizer.step()` obeys."""
        self._verdict = super().step(step, terms, estimate, reference, **shown)
        return self._verdict

    def decide(self, name: str) -> bool:
        """Judge what was told for the optimizer `name`, if nobody has; its next `step()` obeys."""
        if self._verdict is not None:
            return self._verdict
        number = self.count.number(name) if self._number is None else self._number
        told = {key: _joined(values) for key, values in self._told.items()}
        shown, self._shown, self._told, self._number = self._shown, {}, {}, None
        return self.step(number, told, **shown)

    def ask(self, name: str) -> bool:
        """The verdict on the step that the optimizer `name` is about to take; then forgotten."""
        verdict = self.decide(name)
        self.forget()
        return verdict

    def forget(self) -> None:
        """The step that was judged is over."""
        self._verdict = None

    def watch(self, *gates: Gate | ScalerGate) -> None:
        """Keep gates, to be removed by `release`."""
        self._gates += gates

    def release(self) -> None:
        """Give the networks and optimizers back as they were; the report stays."""
        for gate in reversed(self._gates):
            gate.remove()
        self._gates.clear()
        super().release()

    def state_dict(self) -> dict[str, Any]:
        """Everything that a resumed run has to know, as JSON values and tensors."""
        return {**super().state_dict(), "count": self.count.state()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on where `state_dict` was taken. Raises ValueError for another format."""
        super().load_state_dict(state)
        self.count.load(state["count"])


@contextmanager
def guarded(
    models: nn.Module | Mapping[str, nn.Module],
    optimizers: Optimizer | Mapping[str, Optimizer],
    *,
    accelerator: Any = None,
    scaler: GradScaler | None = None,
    report: Callable[[str], object] = print,
    **options: Any,
) -> Iterator[LoopGuard]:
    """Watch a loop; at its end the report is given to `report` on the first process.

    Inside, `optimizer.step()` (or `scaler.step(optimizer)`) is left out for a step that is not
    finite, on all processes alike. Hand over networks and optimizers as they came from
    `accelerator.prepare`, with the accelerator; or with the gradient scaler, if there is
    one. `options` are those of `Guard`; `veto=False` only watches.
    """
    scaler = getattr(accelerator, "scaler", None) or scaler
    if scaler is not None:
        options.setdefault("loss_scale", scaler.get_scale)
    guard = LoopGuard(models, optimizers, **options)
    named = as_optimizers(optimizers)
    try:
        if accelerator is not None:
            for name, optimizer in named.items():
                ask = partial(_ask_accelerated, guard, name, accelerator, optimizer)
                guard.watch(Gate(optimizer, ask, lambda: accelerator.sync_gradients))
        else:
            for name, optimizer in named.items():
                guard.watch(Gate(optimizer, partial(guard.ask, name)))
        if accelerator is None and scaler is not None:
            names = {id(optimizer): name for name, optimizer in named.items()}
            accepts = partial(_decide_scaled, guard, names, scaler)
            guard.watch(ScalerGate(scaler, accepts, guard.forget))
        yield guard
    finally:
        if ranks.rank() == 0:
            report(guard.report())
        guard.release()


def _ask_accelerated(guard: LoopGuard, name: str, accelerator: Any, optimizer: Optimizer) -> bool:
    with suppress(RuntimeError):  # Clipping has unscaled them already.
        accelerator.unscale_gradients(optimizer)
    accepted = guard.ask(name)
    if not accepted and accelerator.scaler is not None:
        # The step that would have told the scaler is left out: begin anew with the same scale.
        accelerator.scaler.update(accelerator.scaler.get_scale())
    return accepted


def _decide_scaled(
    guard: LoopGuard, names: Mapping[int, str], scaler: GradScaler, optimizer: Optimizer
) -> bool:
    if id(optimizer) not in names:
        return True
    with suppress(RuntimeError):  # Clipping has unscaled them already.
        scaler.unscale_(optimizer)
    return guard.decide(names[id(optimizer)])


def _joined(values: list[Tensor]) -> Tensor:
    return values[0] if len(values) == 1 else torch.cat([each.reshape(-1) for each in values])
