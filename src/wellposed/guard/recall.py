"""What the networks were given in this step, so that it can be replayed without being asked.

Before each forward pass of a watched network in training, its inputs, the random state and
(once a step) the changed buffers are remembered; after it, the gradient that arrives at its
output. References only, no copies except of changed buffers and 5 kB of random state, and
only until the step is accepted.
"""

from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from .nested import map_tensors, tensors_in
from .networks import Models, plain_module
from .untouched import BufferCopies, RandomState

CALLS = 8
"""Forward passes remembered per step; with more micro-batches the earliest are forgotten."""


@dataclass(frozen=True)
class Call:
    """One forward pass of a watched network."""

    model: str
    arguments: tuple[Any, ...]
    keywords: Mapping[str, Any]
    randomness: RandomState
    autocast: tuple[str, torch.dtype, bool]
    gradients: dict[int, Tensor] = field(default_factory=dict)
    """Gradient that arrived at each output tensor, by its place among the outputs."""

    @contextmanager
    def surroundings(self) -> Iterator[None]:
        """The random state and autocast of the call."""
        device, dtype, enabled = self.autocast
        self.randomness.restore()
        with ExitStack() as stack:
            if enabled:
                stack.enter_context(torch.autocast(device, dtype))
            yield

    def record(self) -> dict[str, Any]:
        """The call as nested dicts of tensors and JSON values."""
        device, dtype, enabled = self.autocast
        return {
            "model": self.model,
            "arguments": self.arguments,
            "keywords": dict(self.keywords),
            "randomness": {
                "cpu": self.randomness.cpu,
                "accelerator": self.randomness.accelerator,
            },
            "autocast": [device, str(dtype).removeprefix("torch."), enabled],
            "gradients": {str(place): each for place, each in self.gradients.items()},
        }

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> "Call":
        """The call that `record` described, to be run on the CPU."""
        _, dtype, enabled = record["autocast"]
        return cls(
            record["model"],
            record["arguments"],
            record["keywords"],
            RandomState(record["randomness"]["cpu"], None),
            ("cpu", getattr(torch, dtype), enabled),
            {int(place): each for place, each in record["gradients"].items()},
        )


class Recall:
    """Hooks on the watched networks. Copying or pickling a network leaves them behind."""

    def __init__(self, models: Models | None = None, remember: bool = True) -> None:
        self.models = dict(models or {})
        self.calls: deque[Call] = deque(maxlen=CALLS)
        self.buffers = BufferCopies(self.models)
        self._remember = remember
        self._paused = False
        self._fresh = True
        self._handles: list[RemovableHandle] = []
        self._names = {id(module): name for name, module in self.models.items()}
        for module in self.models.values():
            before = module.register_forward_pre_hook(self._before, with_kwargs=True)
            self._handles += [before, module.register_forward_hook(self._after)]

    def __reduce__(self) -> tuple[type, tuple[()]]:
        # A deep copy of a network (an average of weights) must not drag the guard along.
        return Recall, ()

    def release(self) -> None:
        """Take the hooks off the networks, and let go of the batch."""
        for handle in self._handles:
            handle.remove()
        self.forget()

    def forget(self) -> None:
        """Let go of the batch; call it when the step has been judged."""
        self.calls.clear()
        self._fresh = True

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Remember nothing meanwhile, so that a replay does not remember itself."""
        self._paused = True
        try:
            yield
        finally:
            self._paused = False

    def run(self) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """Do all remembered calls again: outputs, and the gradients that arrived at them."""
        outputs: dict[str, Tensor] = {}
        gradients: dict[str, Tensor] = {}
        for number, call in enumerate(self.calls):
            with call.surroundings():
                result = plain_module(self.models[call.model])(*call.arguments, **call.keywords)
            for place, tensor in enumerate(tensors_in(result)):
                name = f"{call.model}/{number}/{place}"
                outputs[name] = tensor
                if place in call.gradients:
                    gradients[name] = call.gradients[place]
        return outputs, gradients

    def inputs(self) -> list[Tensor]:
        """The inputs of the remembered calls into which a gradient flows."""
        given = [(call.arguments, call.keywords) for call in self.calls]
        return [tensor for tensor in tensors_in(given) if tensor.requires_grad]

    def _before(self, module: nn.Module, arguments: Any, keywords: Any) -> None:
        if torch.compiler.is_compiling() or self._paused or not module.training:
            return
        if self._fresh and id(module) in self._names:
            self.buffers.keep()
            self._fresh = False
        if not self._is_wanted(module):
            return
        first = next(tensors_in((arguments, keywords)), None)
        device = "cpu" if first is None else first.device.type
        autocast = torch.is_autocast_enabled(device)
        self.calls.append(
            Call(
                self._names[id(module)],
                map_tensors(_cut, tuple(arguments)),
                map_tensors(_cut, dict(keywords)),
                RandomState.capture(),
                (device, torch.get_autocast_dtype(device), autocast),
            )
        )

    def _after(self, module: nn.Module, arguments: Any, result: Any) -> None:
        if not self._is_wanted(module) or not self.calls:
            return
        kept = self.calls[-1].gradients
        for place, tensor in enumerate(tensors_in(result)):
            if tensor.requires_grad:
                tensor.register_hook(_keeper(kept, place))

    def _is_wanted(self, module: nn.Module) -> bool:
        if torch.compiler.is_compiling() or self._paused:
            return False
        known = self._remember and id(module) in self._names
        return known and module.training and torch.is_grad_enabled()


def _cut(tensor: Tensor) -> Tensor:
    # Detached, so that the graph that made the input is not kept alive.
    return tensor.detach().requires_grad_(tensor.requires_grad)


def _keeper(kept: dict[int, Tensor], place: int) -> Any:
    def keep(gradient: Tensor) -> None:
        kept[place] = gradient.detach()

    return keep
