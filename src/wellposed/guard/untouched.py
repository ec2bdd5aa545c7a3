"""Leaving networks exactly as they were found: randomness, buffers, gradients, flags."""

import random
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from .networks import Models, buffers_of, named_parts


@dataclass(frozen=True)
class RandomState:
    """Where torch's generators stand (CPU and the current accelerator)."""

    cpu: Tensor
    accelerator: Tensor | None

    @classmethod
    def capture(cls) -> "RandomState":
        """Read the generators; no device is waited for."""
        # Before CUDA is initialised it cannot have been used, and asking would initialise it.
        used = torch.cuda.is_initialized()
        return cls(torch.get_rng_state(), torch.cuda.get_rng_state() if used else None)

    def restore(self) -> None:
        """Put the generators back."""
        torch.set_rng_state(self.cpu)
        if self.accelerator is not None:
            torch.cuda.set_rng_state(self.accelerator)


SMALL = 1 << 16
"""Elements. Batch normalisation writes its statistics without telling torch's version counter,
so buffers this small are copied each step; larger ones when their counter has moved."""


class BufferCopies:
    """The buffers as they were when `keep` was called last."""

    def __init__(self, models: Models) -> None:
        self._models = models
        self._places: list[tuple[nn.Module, str]] | None = None
        self._kept: list[tuple[Tensor, int, Tensor]] = []

    def keep(self) -> None:
        """Copy what is small or has changed since the last call."""
        if self._places is None:
            self._places = [place[:2] for place in buffers_of(self._models).values()]
        buffers = [module._buffers.get(own) for module, own in self._places]
        if len(buffers) != len(self._kept):
            self._kept = [(torch.empty(0), -1, torch.empty(0))] * len(buffers)
        written, read = [], []
        for place, buffer in enumerate(buffers):
            original, version, copy = self._kept[place]
            if buffer is None:
                self._kept[place] = (torch.empty(0), -1, torch.empty(0))
            elif buffer is not original:
                self._kept[place] = (buffer, buffer._version, buffer.detach().clone())
            elif buffer.numel() <= SMALL or buffer._version != version:
                written.append(copy)
                read.append(buffer.detach())
                self._kept[place] = (buffer, buffer._version, copy)
        if written:
            torch._foreach_copy_(written, read)

    def restore(self) -> None:
        """Put every buffer back, the tensor itself and what it held."""
        for (module, own), (original, version, copy) in zip(
            self._places or [], self._kept, strict=True
        ):
            if version < 0:
                continue
            with torch.no_grad():
                original.copy_(copy)
            module._buffers[own] = original


@contextmanager
def untouched(models: Models, parameters: Sequence[Tensor]) -> Iterator[None]:
    """Whatever happens inside, leave gradients, buffers, training flags and randomness alone.

    Inside, every `.grad` is None, compiled code runs eagerly and DistributedDataParallel does
    not synchronise gradients.
    """
    state, python_state = RandomState.capture(), random.getstate()
    gradients = [parameter.grad for parameter in parameters]
    training = [(part, part.training) for part in named_parts(models).values()]
    places = buffers_of(models).values()
    buffers = [(module, own, each, each.detach().clone()) for module, own, each in places]
    with ExitStack() as stack:
        for module in models.values():
            if isinstance(module, nn.parallel.DistributedDataParallel):
                stack.enter_context(module.no_sync())
        stack.enter_context(_eager())
        try:
            for parameter in parameters:
                parameter.grad = None
            yield
        finally:
            for parameter, gradient in zip(parameters, gradients, strict=True):
                parameter.grad = gradient
            for module, own, buffer, copy in buffers:
                module._buffers[own] = buffer
                with torch.no_grad():
                    buffer.copy_(copy)
            for part, flag in training:
                part.training = flag
            state.restore()
            random.setstate(python_state)


@contextmanager
def _eager() -> Iterator[None]:
    # Importing the compiler takes seconds; unless somebody has, nothing can be compiled.
    if "torch._dynamo" in sys.modules:
        with torch.compiler.set_stance("force_eager"):
            yield
    else:
        yield
