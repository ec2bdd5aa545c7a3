"""Interventions on arithmetic: double precision, deterministic kernels, no clamps."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from wellposed.engine.interventions.intervention import Intervention
from wellposed.engine.recipe import Recipe

if TYPE_CHECKING:
    from wellposed.engine.run import Run

WIDE = {
    torch.float16: torch.float64,
    torch.bfloat16: torch.float64,
    torch.float32: torch.float64,
    torch.complex64: torch.complex128,
}


@dataclass(frozen=True)
class Float64(Intervention):
    """Networks, spectra and losses in float64, and nothing in half precision."""

    @property
    def name(self) -> str:
        """`float64`."""
        return "float64"

    @property
    def about(self) -> str:
        """What is done."""
        return "compute in float64"

    def changes(self, recipe: Recipe) -> Mapping[str, Any]:
        """No autocast to half precision."""
        narrow = recipe.training.precision != "float32"
        return {"training.precision": "float32"} if narrow else {}

    def during(self) -> AbstractContextManager[Any]:
        """Let whatever asks for float32 have float64."""
        return _Widened()

    def item(self, item: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        """Widen a scene; threads that render scenes ahead know nothing of `during`."""
        return {name: each.to(WIDE.get(each.dtype, each.dtype)) for name, each in item.items()}

    def ready(self, run: "Run") -> None:
        """Widen weights and buffers; moments follow their parameters."""
        for network in run.networks.values():
            network.to(torch.float64)
        for optimizer in run.moving.optimizers.values():
            for state in optimizer.state.values():
                for name, value in state.items():
                    if isinstance(value, Tensor) and name != "step":
                        state[name] = value.to(torch.float64)
        weights = run.moving.average.weights
        for name, value in list(weights.items()):
            if value.is_floating_point():
                weights[name] = value.to(torch.float64)


class _Widened(TorchFunctionMode):
    """Calls that make or take a narrower float make or take float64."""

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Call with wide types."""
        given = {key: WIDE.get(v, v) if key == "dtype" else v for key, v in (kwargs or {}).items()}
        if func in (Tensor.float, Tensor.half, Tensor.bfloat16):
            return args[0].double()
        if func is torch.from_numpy:
            made = func(*args, **given)
            return made.to(WIDE.get(made.dtype, made.dtype))
        wide = [WIDE.get(each, each) if isinstance(each, torch.dtype) else each for each in args]
        return func(*wide, **given)


@dataclass(frozen=True)
class Deterministic(Intervention):
    """Kernels that give the same bits each time."""

    @property
    def name(self) -> str:
        """`deterministic`."""
        return "deterministic"

    @property
    def about(self) -> str:
        """What is done."""
        return "use deterministic kernels"

    @contextmanager
    def during(self) -> Iterator[None]:  # type: ignore[bad-override]
        """Ask PyTorch for them, and give back what was before."""
        before = torch.are_deterministic_algorithms_enabled()
        torch.use_deterministic_algorithms(True, warn_only=False)
        try:
            yield
        finally:
            torch.use_deterministic_algorithms(before)


@dataclass(frozen=True)
class WithoutClamps(Intervention):
    """Limits on both sides of values with a gradient do not apply; a floor alone stays."""

    @property
    def name(self) -> str:
        """`without-clamps`."""
        return "without-clamps"

    @property
    def about(self) -> str:
        """What is done."""
        return "take away the limits on both sides of values"

    def during(self) -> AbstractContextManager[Any]:
        """Pass values on where they would be limited."""
        return _Unlimited()


_LIMITING = {torch.clamp, torch.clip, Tensor.clamp, Tensor.clip, functional.hardtanh}


class _Unlimited(TorchFunctionMode):
    """`clamp(low, high)` and `hardtanh` of values with a graph are the identity."""

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Call, or pass on."""
        kwargs = dict(kwargs or {})
        if func in _LIMITING and isinstance(args[0], Tensor) and args[0].requires_grad:
            low, high = (
                args[place] if len(args) > place else kwargs.get(key)
                for place, key in ((1, "min"), (2, "max"))
            )
            if func is functional.hardtanh or (low is not None and high is not None):
                return args[0]
        return func(*args, **kwargs)
