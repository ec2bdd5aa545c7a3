"""The guard as a callback of Lightning, under either of its names; loaded when this file is.

    from wellposed.guard.adapters.lightning import GuardCallback

    trainer = Trainer(callbacks=[GuardCallback()])

A refused step is never taken: within one call of `optimizer.step` Lightning evaluates its closure
(forward and backward pass), tells the callbacks, and moves the weights. The callback judges when it
is told, and a gate inside that call returns before the weights. The next closure clears the
gradients. This holds with automatic and manual optimization, accumulation, scaled gradients and
several processes; not under DeepSpeed, whose engine moves the weights itself.
"""

import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from importlib import import_module
from typing import Any

import torch
from torch import Tensor, nn

from .. import ranks
from .gate import Gate
from .loop import LoopGuard


def _base() -> Any:
    """Lightning's class of callbacks, of the name that is loaded already."""
    try:
        if "pytorch_lightning" in sys.modules and "lightning.pytorch" not in sys.modules:
            return import_module("pytorch_lightning").Callback
        return import_module("lightning.pytorch").Callback
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "lightning":
            raise
        raise ImportError(
            "GuardCallback needs Lightning, which is not installed: "
            "pip install 'wellposed[lightning]'"
        ) from error


_Callback: Any = _base()


class GuardCallback(_Callback):
    """Watches `trainer.fit`; refuses steps that are not finite; reports at the end.

    `terms` names logged metrics that are the terms of the loss; without it the loss is one term.
    `better` says of metrics that `validation_step` returns, one value an item, which end is better
    ("higher", "lower"): they are judged after each validation, and `select` is the one that
    chooses the best checkpoint. `options` are those of `Guard`.
    """

    def __init__(
        self,
        *,
        terms: Sequence[str] = (),
        better: Mapping[str, str] | None = None,
        select: str | None = None,
        report: Callable[[str], object] = print,
        **options: Any,
    ) -> None:
        super().__init__()
        self.guard: LoopGuard | None = None
        self._terms = tuple(terms)
        self._better = dict(better or {})
        self._select = select
        self._report = report
        self._options = options
        self._state: Mapping[str, Any] | None = None
        self._names: dict[int, str] = {}
        self._told = False
        self._scores: dict[str, list[float | None]] = {}
        self._training: set[str] = set()

    def tell(self, terms: Mapping[str, Any], **shown: Any) -> None:
        """From `training_step`: the terms of its loss, and signals; see `LoopGuard.terms`."""
        self._watching().terms(terms, **shown)
        self._told = True

    def on_fit_start(self, trainer: Any, pl_module: Any) -> None:
        """Begin to watch the networks inside the module, and every optimizer."""
        if "DeepSpeed" in type(trainer.strategy).__name__:
            raise ValueError(
                "GuardCallback: found DeepSpeed, whose engine moves the weights itself; wanted "
                "another strategy, or call Guard.step(...) with veto=False in training_step."
            )
        several = len(trainer.optimizers) > 1
        named = {
            f"optimizer {index}" if several else "optimizer": optimizer
            for index, optimizer in enumerate(trainer.optimizers)
        }
        options = dict(self._options)
        scaler = _scaler(trainer)
        if scaler is not None:
            options.setdefault("loss_scale", scaler.get_scale)
        self.guard = LoopGuard(_networks(pl_module), named, **options)
        if self._state is not None:
            self.guard.load_state_dict(self._state)
        self._names = {id(optimizer): name for name, optimizer in named.items()}
        for name, optimizer in named.items():
            self.guard.watch(Gate(optimizer, partial(self.guard.ask, name)))

    def on_before_backward(self, trainer: Any, pl_module: Any, loss: Tensor) -> None:
        """Without other terms the loss is one; unscaled, and for the batch, not for its share."""
        if self._told or self._terms:
            return
        scaler = _scaler(trainer)
        whole = loss.detach() / (1.0 if scaler is None else scaler.get_scale())
        if pl_module.automatic_optimization:
            whole = whole * trainer.accumulate_grad_batches
        self._watching().terms({"loss": whole})

    def on_before_optimizer_step(self, trainer: Any, pl_module: Any, optimizer: Any) -> None:
        """Judge the gradients that are there; the gate in `optimizer.step` obeys."""
        guard = self._watching()
        if self._terms and not self._told:
            guard.terms({name: _logged(trainer, name) for name in self._terms})
        self._told = False
        guard.forget()  # A scaler may have left out the step before.
        guard.decide(self._names[id(optimizer)])

    def on_validation_start(self, trainer: Any, pl_module: Any) -> None:
        """Forget the scores of the validation before."""
        self._scores, self._training = {}, set()

    def on_validation_batch_end(
        self, trainer: Any, pl_module: Any, outputs: Any, *batch: Any
    ) -> None:
        """Keep the values of each item, and which networks were measured in training mode."""
        if not isinstance(outputs, Mapping):
            return
        for name in self._better.keys() & outputs.keys():
            values = torch.as_tensor(outputs[name], dtype=torch.float64).reshape(-1).tolist()
            self._scores.setdefault(name, []).extend(values)
        self._training |= {key for key, net in _networks(pl_module).items() if net.training}

    def on_validation_end(self, trainer: Any, pl_module: Any) -> None:
        """Judge the validation, if it has scores and is no rehearsal."""
        if trainer.sanity_checking or not self._scores or self.guard is None:
            return
        self.guard.validate(
            self.guard.count.latest,
            self._scores,
            better=self._better,
            select=self._select,
            items=" ".join(f"{name}:{len(each)}" for name, each in sorted(self._scores.items())),
            training=sorted(self._training),
        )

    def on_fit_end(self, trainer: Any, pl_module: Any) -> None:
        """Report, and take everything off the networks and optimizers."""
        self._end()

    def on_exception(self, trainer: Any, pl_module: Any, exception: BaseException) -> None:
        """Report what was found before the run broke off."""
        self._end()

    def state_dict(self) -> dict[str, Any]:
        """What a resumed run has to know: JSON values and tensors, in Lightning's checkpoint."""
        if self.guard is not None:
            self._state = self.guard.state_dict()
        return dict(self._state or {})

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over what `state_dict` returned, now or when the run begins."""
        self._state = dict(state_dict)
        if self.guard is not None:
            self.guard.load_state_dict(self._state)

    def _watching(self) -> LoopGuard:
        if self.guard is None:
            raise RuntimeError("GuardCallback: no run is being watched; call it during fit.")
        return self.guard

    def _end(self) -> None:
        if self.guard is None:
            return
        if ranks.rank() == 0:
            self._report(self.guard.report())
        self._state = self.guard.state_dict()
        self.guard.release()


def _networks(module: nn.Module) -> dict[str, nn.Module]:
    """The parts of the module that learn: what is called is them, not the module itself."""
    found = {
        name: part for name, part in module.named_children() if any(True for _ in part.parameters())
    }
    return found or {"model": module}


def _scaler(trainer: Any) -> Any:
    return getattr(trainer.precision_plugin, "scaler", None)


def _logged(trainer: Any, name: str) -> Tensor:
    if name not in trainer.callback_metrics:
        raise ValueError(
            f"GuardCallback: term {name!r} was not logged; found "
            f"{', '.join(sorted(trainer.callback_metrics)) or 'none'}. "
            "Log it in training_step before the loss is returned."
        )
    return trainer.callback_metrics[name]
