"""Watching a forward pass: which torch call first made a number that is not finite.

Every torch call is seen, inside modules and outside of them. Non-finite values are followed
from tensor to tensor, so that a mask of minus infinity that never reaches the loss is not
taken for the offender.
"""

import math
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from .finite import all_finite
from .modulepath import ModulePath
from .nested import numbers_in, tensors_in
from .origin import Origin, caller, has_nan, span

Taint = frozenset[int]
"""Places in `ForwardWatch.origins` from which a tensor's bad values came."""


@dataclass(frozen=True)
class _Given:
    """What went into one call, looked at before or after it."""

    bad: list[Tensor]
    had_nan: bool
    span: str
    has_infinite_constant: bool

    @classmethod
    def look(cls, arguments: Any, without: Collection[int]) -> "_Given":
        tensors = [t for t in tensors_in(arguments) if _has_numbers(t) and id(t) not in without]
        bad = [t for t in tensors if not all_finite(t)]
        good = [t for t in tensors if not _among(t, bad)]
        constant = any(math.isinf(number) for number in numbers_in(arguments))
        return cls(bad, any(has_nan(t) for t in bad), span(good), constant)


class ForwardWatch(TorchFunctionMode):
    """Follows non-finite values through every torch call made while it is active."""

    def __init__(self, path: ModulePath, known: Mapping[str, Tensor]) -> None:
        super().__init__()
        self.origins: list[Origin] = []
        self._path = path
        self._known = {id(each): name for name, each in known.items()}
        # Batch normalisation writes to its buffers, so they look bad after the call: those that
        # were finite before it are not what made it so.
        self._sound = {id(each) for each in known.values() if all_finite(each)}
        self._taints: dict[int, Taint] = {}
        self._storages: dict[int, Taint] = {}
        # Kept, so that no address is used twice while we watch.
        self._kept: list[Tensor] = []

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run the call, then look at what came out, and at what went in if that is bad."""
        kwargs = kwargs or {}
        name = getattr(func, "__name__", str(func))
        # An in-place call overwrites what went in: look before.
        in_place = "out" in kwargs or name.startswith(("__i", "__set")) or _ends_in_place(name)
        given = _Given.look((args, kwargs), self._sound) if in_place else None
        result = func(*args, **kwargs)
        written = args[0] if result is None and in_place else result
        outputs = [t for t in tensors_in(written) if _has_numbers(t)]
        wrong = [t for t in outputs if not all_finite(t)]
        for tensor in outputs:
            if not _among(tensor, wrong):
                self._taints.pop(id(tensor), None)
        if wrong:
            given = given or _Given.look((args, kwargs), self._sound)
            self._follow(name.strip("_"), given, wrong)
        return result

    def guilty(self, terms: Iterable[Tensor]) -> Origin | None:
        """The earliest origin whose values reached one of these tensors."""
        reached: set[int] = set()
        for term in terms:
            if _has_numbers(term) and not all_finite(term):
                reached |= self._taint_of(term) or self._arrived(term)
        return self._earliest(reached)

    def earliest(self) -> Origin | None:
        """The earliest origin, whether or not it reached anything."""
        return self._earliest(range(len(self.origins)))

    def hidden(self, guilty: Origin | None) -> tuple[Origin, ...]:
        """All origins but the guilty one."""
        return tuple(origin for origin in self.origins if origin is not guilty)

    def _earliest(self, places: Iterable[int]) -> Origin | None:
        ordered = sorted(places, key=lambda place: (self.origins[place].deliberate, place))
        return self.origins[ordered[0]] if ordered else None

    def _follow(self, name: str, given: _Given, wrong: list[Tensor]) -> None:
        taint: Taint = frozenset()
        for tensor in given.bad:
            taint |= self._taint_of(tensor) or self._arrived(tensor)
        makes_nan = any(has_nan(tensor) for tensor in wrong)
        # NaN out of a mask's own infinities is a new fault (softmax over a row all masked).
        masked = all(self.origins[place].deliberate for place in taint)
        if not given.bad or (makes_nan and not given.had_nan and masked):
            deliberate = not given.bad and given.has_infinite_constant
            kind = "nan" if makes_nan else "inf"
            origin = Origin(self._path.here, name, caller(), kind, given.span, deliberate)
            taint = self._add(origin)
        for tensor in wrong:
            self._mark(tensor, taint)

    def _arrived(self, tensor: Tensor) -> Taint:
        # Bad values that no watched call made: they came in with the batch or a parameter.
        operation = self._known.get(id(tensor), "input")
        kind = "nan" if has_nan(tensor) else "inf"
        taint = self._add(Origin(self._path.here, operation, caller(), kind, ""))
        self._mark(tensor, taint)
        return taint

    def _add(self, origin: Origin) -> Taint:
        self.origins.append(origin)
        return frozenset({len(self.origins) - 1})

    def _mark(self, tensor: Tensor, taint: Taint) -> None:
        self._kept.append(tensor)
        self._sound.discard(id(tensor))
        self._taints[id(tensor)] = taint
        if tensor.layout == torch.strided:
            self._storages[_address(tensor)] = taint

    def _taint_of(self, tensor: Tensor) -> Taint | None:
        found = self._taints.get(id(tensor))
        if found is None and tensor.layout == torch.strided:
            # A view of a tensor that was written to through another view.
            found = self._storages.get(_address(tensor))
        return found


def _ends_in_place(name: str) -> bool:
    return name.endswith("_") and not name.endswith("__")


def _has_numbers(tensor: Tensor) -> bool:
    return (tensor.is_floating_point() or tensor.is_complex()) and tensor.numel() > 0


def _among(tensor: Tensor, others: list[Tensor]) -> bool:
    return any(tensor is each for each in others)


def _address(tensor: Tensor) -> int:
    to_local = getattr(tensor, "to_local", None)
    return (tensor if to_local is None else to_local()).untyped_storage().data_ptr()
