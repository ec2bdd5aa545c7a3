"""The watched networks: what they are called, and which parameters belong to them.

The names are the same whether a network is compiled, wrapped by DistributedDataParallel or
plain.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn

Models = Mapping[str, nn.Module]


def plain_module(module: nn.Module) -> nn.Module:
    """The network inside `torch.compile` and DistributedDataParallel wrappers."""
    while True:
        inner = getattr(module, "_orig_mod", None)
        if inner is None and isinstance(module, nn.parallel.DistributedDataParallel):
            inner = module.module
        if not isinstance(inner, nn.Module):
            return module
        module = inner


def qualified(models: Models, model: str, part: str) -> str:
    """The name of a part: with the model's name in front where there are several models."""
    if len(models) == 1:
        return part or model
    return f"{model}.{part}" if part else model


def named_parts(models: Models) -> dict[str, nn.Module]:
    """Every submodule once, by qualified name; a model itself goes by its own name."""
    found: dict[int, tuple[str, nn.Module]] = {}
    for model, module in models.items():
        for part, each in plain_module(module).named_modules():
            clean = part.replace("_orig_mod.", "").removesuffix("_orig_mod").rstrip(".")
            found.setdefault(id(each), (qualified(models, model, clean), each))
    return dict(found.values())


class Watchlist:
    """All parameters of the models, then those that only an optimizer knows, by name."""

    def __init__(
        self, models: Models, optimizers: Mapping[str, torch.optim.Optimizer] | None = None
    ) -> None:
        self._models = models
        self._optimizers = optimizers or {}
        self._listed: tuple[int, ...] | None = None
        self._named: dict[str, Tensor] = {}

    def named(self) -> dict[str, Tensor]:
        """As it is now: parameters may be added or replaced while training."""
        listed = tuple(id(each) for each in self._updated())
        if listed != self._listed:
            self._listed, self._named = listed, self._names()
        return self._named

    def _updated(self) -> Iterator[Tensor]:
        # A new parameter changes nothing before an optimizer has it; asking the optimizers is
        # quick, walking through the modules each step is not.
        for module in () if self._optimizers else self._models.values():
            yield from module.parameters()
        for optimizer in self._optimizers.values():
            for group in optimizer.param_groups:
                yield from group["params"]

    def _names(self) -> dict[str, Tensor]:
        found: dict[int, tuple[str, Tensor]] = {}
        for name, part in named_parts(self._models).items():
            prefix = "" if name in self._models and len(self._models) == 1 else f"{name}."
            for own, parameter in part.named_parameters(recurse=False):
                found.setdefault(id(parameter), (prefix + own, parameter))
        for name, optimizer in self._optimizers.items():
            everything = (each for group in optimizer.param_groups for each in group["params"])
            for index, each in enumerate(everything):
                found.setdefault(id(each), (f"{name}.parameter[{index}]", each))
        return dict(found.values())


def buffers_of(models: Models) -> dict[str, tuple[nn.Module, str, Tensor]]:
    """Every buffer: the module that owns it, the name it has there, and its tensor."""
    return {
        f"{name}.{own}": (part, own, buffer)
        for name, part in named_parts(models).items()
        for own, buffer in part.named_buffers(recurse=False)
    }


def as_models(models: nn.Module | Mapping[str, nn.Module]) -> dict[str, nn.Module]:
    """One model becomes {"model": it}. Raises TypeError for anything that is no module."""
    return _as_dict(models, nn.Module, "model")


def as_optimizers(given: Any) -> dict[str, torch.optim.Optimizer]:
    """One optimizer becomes {"optimizer": it}; None an empty dict."""
    return {} if given is None else _as_dict(given, torch.optim.Optimizer, "optimizer")


def _as_dict(given: Any, kind: type, name: str) -> dict[str, Any]:
    named = dict(given) if isinstance(given, Mapping) else {name: given}
    for key, each in named.items():
        if not isinstance(each, kind):
            raise TypeError(
                f"Guard: {name} {key!r} is a {type(each).__name__}; "
                f"wanted a {kind.__module__}.{kind.__name__} or a dict of them."
            )
    return named
