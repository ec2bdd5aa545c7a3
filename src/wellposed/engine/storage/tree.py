"""Nested states as a JSON text and named tensors, and back without loss.

A state is made of dicts (keys str or int), lists, tuples (come back as lists), tensors, None,
bool, int, float and str. Floats come back bit for bit, NaN and infinities included; integer keys
come back as integers, as optimizers need; keys keep their order. Tensors come back on the CPU,
each with memory of its own.
"""

import json
import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from wellposed.engine.storage.tensorfile import NATIVE, as_bytes
from wellposed.errors import CheckpointError

# A dict with one of these keys stands for what JSON cannot say; see `_Packer.value`.
_TENSOR, _FLOAT, _ITEMS = "$tensor", "$float", "$items"


def pack(state: Mapping[Any, Any]) -> tuple[str, dict[str, Tensor]]:
    """Split `state` into a JSON text and its tensors, named by their path in the state.

    Raises CheckpointError: something in the state is of another type, with its path.
    """
    packer = _Packer()
    value = packer.value(state, ())
    return json.dumps(value, allow_nan=False, separators=(",", ":")), packer.tensors


def unpack(text: str, tensors: Mapping[str, Tensor]) -> dict[Any, Any]:
    """Put together again what `pack` split."""
    return _unpacked(json.loads(text), tensors)


class _Packer:
    def __init__(self) -> None:
        self.tensors: dict[str, Tensor] = {}

    def value(self, value: object, path: tuple[str, ...]) -> object:
        if value is None or isinstance(value, bool | int | str):
            return value
        if isinstance(value, float):
            return value if math.isfinite(value) else {_FLOAT: str(float(value))}
        if isinstance(value, Tensor):
            return self._tensor(value, path)
        if isinstance(value, Mapping):
            return self._mapping(value, path)
        if isinstance(value, list | tuple):
            return [self.value(item, (*path, str(n))) for n, item in enumerate(value)]
        raise _unfit(path, f"is a {type(value).__name__}")

    def _mapping(self, mapping: Mapping[Any, Any], path: tuple[str, ...]) -> object:
        for key in mapping:
            if isinstance(key, bool) or not isinstance(key, str | int):
                raise _unfit(path, f"has the key {key!r}, a {type(key).__name__}")
        items = [(key, self.value(item, (*path, str(key)))) for key, item in mapping.items()]
        # JSON would turn integer keys into text; a "$" could be taken for one of our marks.
        if all(isinstance(key, str) and not key.startswith("$") for key, _ in items):
            return dict(items)
        return {_ITEMS: [[key, item] for key, item in items]}

    def _tensor(self, tensor: Tensor, path: tuple[str, ...]) -> dict[str, object]:
        if tensor.layout != torch.strided or tensor.is_quantized or tensor.is_meta:
            raise _unfit(path, "is a sparse, quantized or meta tensor")
        name = self._name(path)
        if tensor.dtype in NATIVE:
            self.tensors[name] = tensor
            return {_TENSOR: name}
        self.tensors[name] = as_bytes(tensor)
        dtype = str(tensor.dtype).removeprefix("torch.")
        return {_TENSOR: name, "dtype": dtype, "shape": list(tensor.shape)}

    def _name(self, path: tuple[str, ...]) -> str:
        # Names are for people and other tools; only their being different matters here.
        plain = "/".join(path).encode("ascii", "backslashreplace").decode() or "state"
        name, number = plain, 1
        while name in self.tensors or name == "__metadata__":
            number += 1
            name = f"{plain}#{number}"
        return name


def _unpacked(value: Any, tensors: Mapping[str, Tensor]) -> Any:
    if isinstance(value, list):
        return [_unpacked(item, tensors) for item in value]
    if not isinstance(value, dict):
        return value
    if _FLOAT in value:
        return float(value[_FLOAT])
    if _ITEMS in value:
        return {key: _unpacked(item, tensors) for key, item in value[_ITEMS]}
    if _TENSOR in value:
        tensor = tensors[value[_TENSOR]]
        if "dtype" in value:
            dtype = getattr(torch, value["dtype"])
            return tensor.view(dtype).reshape(value["shape"])
        return tensor
    return {key: _unpacked(item, tensors) for key, item in value.items()}


def _unfit(path: tuple[str, ...], found: str) -> CheckpointError:
    place = "/".join(path) or "the state"
    return CheckpointError(
        f"{place} {found}; a checkpoint holds dicts with str or int keys, lists, tensors, None, "
        "bool, int, float and str. Convert it before saving (an array with torch.from_numpy)."
    )
