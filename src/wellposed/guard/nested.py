"""Walking nested values: dicts, lists, tuples and dataclasses with tensors in them."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from typing import Any

from torch import Tensor


def tensors_in(value: Any) -> Iterator[Tensor]:
    """Every tensor in a nested value, in order."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, Mapping):
        for each in value.values():
            yield from tensors_in(each)
    elif isinstance(value, list | tuple | set | frozenset):
        for each in value:
            yield from tensors_in(each)
    elif is_dataclass(value) and not isinstance(value, type):
        for field in fields(value):
            yield from tensors_in(getattr(value, field.name))


def numbers_in(value: Any) -> Iterator[float]:
    """Every plain Python float in nested dicts, lists and tuples."""
    if isinstance(value, float):
        yield value
    elif isinstance(value, Mapping):
        for each in value.values():
            yield from numbers_in(each)
    elif isinstance(value, list | tuple):
        for each in value:
            yield from numbers_in(each)


def map_tensors(change: Callable[[Tensor], Tensor], value: Any) -> Any:
    """A copy of nested dicts, lists and tuples in which every tensor is changed.

    Anything else, dataclasses included, is passed on as it is.
    """
    if isinstance(value, Tensor):
        return change(value)
    if isinstance(value, dict):
        return {key: map_tensors(change, each) for key, each in value.items()}
    if isinstance(value, list):
        return [map_tensors(change, each) for each in value]
    if isinstance(value, tuple):
        changed = (map_tensors(change, each) for each in value)
        return type(value)(*changed) if hasattr(value, "_fields") else tuple(changed)
    return value
