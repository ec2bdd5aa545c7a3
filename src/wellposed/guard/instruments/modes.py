"""Networks in the wrong mode: layers that act differently in training and in evaluation."""

import weakref
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer
from torch.utils.hooks import RemovableHandle

from ..evidence import Record
from ..networks import Models, plain_module, qualified
from . import Watched
from .around import Steps
from .looks import Looks

NORMS = (nn.modules.batchnorm._BatchNorm, nn.modules.instancenorm._InstanceNorm)
SHOWN = 8


class Modes:
    """Records of the kind "modes", only if something that learns is in evaluation mode.

    Module -> `whole` (1: it is a whole network), `single` (1: nothing is inside), `norms` and
    `random`: how many layers in it are in evaluation mode that use running statistics or draw at
    random in training (dropout). Of nested modules only the outermost is listed. What does not
    learn (nothing requires grad, or no optimizer has it) may be in any mode.
    """

    def __init__(self, watched: Watched) -> None:
        self._watched = watched
        self._looks = Looks(watched)
        self._step = 0
        self._flags: dict[str, dict[str, bool]] = {}
        self._table: dict[str, dict[str, float]] = {}
        self._passes = Passes(watched.models)
        self._plain = {name: plain_module(model) for name, model in watched.models.items()}
        weakref.finalize(self, self._passes.release)
        self._around = Steps(watched.optimizers, self)

    def visit(self, step: int, accepted: bool) -> Iterable[tuple[str, Record]]:
        """What the last optimizer steps were taken with."""
        self._passes.step()
        found = [("modes", Record(self._step, self._table))] if self._table else []
        self._step, self._table = step, {}
        if self._looks.visit(step):
            self._flags = {}
        if not self._watched.optimizers:
            self._examine("", self._watched.models)
        self._around.visit()
        return found

    def before(self, name: str, optimizer: Optimizer) -> None:
        """Look at the networks that this optimizer moves: closely when one has changed its mode."""
        kept = self._flags.get(name)
        if kept is None:
            own = {id(p) for group in optimizer.param_groups for p in group["params"]}
            models = self._watched.models.items()
            moved = {key: m for key, m in models if any(id(p) in own for p in m.parameters())}
            self._examine(name, moved)
        elif any(self._plain[key].training != mode for key, mode in kept.items()):
            self._examine(name, {key: self._watched.models[key] for key in kept})

    def after(self, name: str, optimizer: Optimizer) -> None:
        """Nothing to do."""

    def validated_in_training(self) -> list[str]:
        """Networks that ran without gradients since the last step in training mode only.

        Only those with layers that act differently; and only if such passes are more than those
        of an ordinary step (a generator that makes examples for a critic).
        """
        return [name for name in self._passes.in_training() if _dependent(self._plain[name])]

    def state(self) -> dict[str, Any]:
        """Everything, as JSON values."""
        return {
            "looks": self._looks.state(),
            "step": self._step,
            "flags": self._flags,
            "table": self._table,
            "habit": self._passes.habit,
        }

    def load(self, state: Mapping[str, Any]) -> None:
        """Take over what `state` returned."""
        self._looks.load(state["looks"])
        self._step, self._table = state["step"], dict(state["table"])
        self._flags = {name: dict(each) for name, each in state["flags"].items()}
        self._passes.habit = dict(state["habit"])

    def _examine(self, name: str, models: Models) -> None:
        self._flags[name] = {key: self._plain[key].training for key in models}
        held = {
            id(p)
            for optimizer in self._watched.optimizers.values()
            for group in optimizer.param_groups
            for p in group["params"]
        }
        for key in models:
            root = self._plain[key]
            for path, module in _evaluating(root, ""):
                layers = _dependent(module)
                learns = any(
                    p.requires_grad and (not held or id(p) in held) for p in module.parameters()
                )
                # A layer without parameters learns with the module around it.
                alone = bool(layers) and not any(True for _ in module.parameters())
                whole = module is root
                if (learns or alone) and (layers or whole) and len(self._table) < SHOWN:
                    norms = sum(isinstance(each, NORMS) for each in layers)
                    self._table[qualified(self._watched.models, key, path)] = {
                        "whole": float(whole),
                        "norms": float(norms),
                        "random": float(len(layers) - norms),
                        "single": float(len(list(module.children())) == 0),
                    }


class Passes:
    """Forward passes without gradients since the last step, by network and mode.

    Copying or pickling a network leaves this behind.
    """

    def __init__(self, models: Models | None = None) -> None:
        self.habit: dict[str, int] = {}
        """Passes in training mode that an ordinary step makes."""
        self._names: dict[int, str] = {}
        self._handles: list[RemovableHandle] = []
        self._training: dict[str, int] = {}
        self._evaluating: set[str] = set()
        for name, model in (models or {}).items():
            # Validations call what is inside DistributedDataParallel.
            wrapped = isinstance(model, nn.parallel.DistributedDataParallel)
            seen = plain_module(model) if wrapped else model
            self._names[id(seen)] = name
            self._handles.append(seen.register_forward_pre_hook(self._before))

    def __reduce__(self) -> tuple[type, tuple[()]]:
        return Passes, ()

    def release(self) -> None:
        """Take the hooks off the networks."""
        for handle in self._handles:
            handle.remove()

    def step(self) -> None:
        """A step begins anew; passes before it without a validation were its own."""
        for name, count in self._training.items():
            self.habit[name] = max(self.habit.get(name, 0), count)
        self.forget()

    def forget(self) -> None:
        """Count from now on."""
        self._training.clear()
        self._evaluating.clear()

    def in_training(self) -> list[str]:
        """Networks with more passes in training mode than a step has, and none in evaluation."""
        found = [
            name
            for name, count in self._training.items()
            if count > self.habit.get(name, 0) and name not in self._evaluating
        ]
        self.forget()
        return found

    def _before(self, module: nn.Module, arguments: Any) -> None:
        name = self._names.get(id(module))
        if name is None or torch.compiler.is_compiling() or torch.is_grad_enabled():
            return
        if module.training:
            self._training[name] = self._training.get(name, 0) + 1
        else:
            self._evaluating.add(name)


def instrument(watched: Watched) -> Modes:
    """Made for every guard."""
    return Modes(watched)


def _evaluating(module: nn.Module, path: str) -> Iterator[tuple[str, nn.Module]]:
    if not module.training:
        yield path, module
        return
    for name, child in module.named_children():
        yield from _evaluating(child, f"{path}.{name}" if path else name)


def _dependent(module: nn.Module) -> list[nn.Module]:
    return [each for each in module.modules() if _depends(each)]


def _depends(module: nn.Module) -> bool:
    if isinstance(module, NORMS):
        return module.track_running_stats
    if isinstance(module, nn.modules.dropout._DropoutNd):
        return module.p > 0
    if isinstance(module, nn.RNNBase):
        return module.dropout > 0 and module.num_layers > 1
    if isinstance(module, nn.MultiheadAttention):
        return module.dropout > 0
    return isinstance(module, nn.RReLU)
