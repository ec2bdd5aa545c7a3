"""Tensors as NumPy's .npy files (format 1.0), written and read with the standard library.

Types that NumPy lacks (bfloat16, float8, complex32) are stored as unsigned integers of the
same size; the torch type has to be told to `read` again.
"""

import ast
import ctypes
import math
import sys
from pathlib import Path

import torch
from torch import Tensor

_MAGIC = b"\x93NUMPY\x01\x00"
_KINDS = {
    torch.bool: "b1",
    torch.uint8: "u1",
    torch.int8: "i1",
    torch.int16: "i2",
    torch.int32: "i4",
    torch.int64: "i8",
    torch.float16: "f2",
    torch.float32: "f4",
    torch.float64: "f8",
    torch.complex64: "c8",
    torch.complex128: "c16",
}
_ORDER = "<" if sys.byteorder == "little" else ">"


def write(path: Path, tensor: Tensor) -> None:
    """Write a dense tensor of any type, from any device."""
    raw = raw_bytes(tensor)
    described = {
        "descr": _descr(tensor.dtype),
        "fortran_order": False,
        "shape": tuple(tensor.shape),
    }
    header = f"{described!r}".encode()
    padding = b" " * (-(len(_MAGIC) + 2 + len(header) + 1) % 64) + b"\n"
    length = len(header) + len(padding)
    path.write_bytes(_MAGIC + length.to_bytes(2, "little") + header + padding + raw)


def raw_bytes(tensor: Tensor) -> bytes:
    """The numbers of a dense tensor in C order, without NumPy (waits for the device)."""
    local = tensor.detach().to("cpu").resolve_conj().resolve_neg().contiguous()
    size = local.numel() * local.element_size()
    return ctypes.string_at(local.data_ptr(), size) if size else b""


def read(path: Path, dtype: torch.dtype) -> Tensor:
    """Read what `write` wrote of a tensor of this type. Raises ValueError when it is not that."""
    data = path.read_bytes()
    if data[:8] != _MAGIC or len(data) < 10:
        raise ValueError(f"{path}: not a .npy file of format 1.0")
    start = 10 + int.from_bytes(data[8:10], "little")
    try:
        header = ast.literal_eval(data[10:start].decode("latin-1").strip())
        descr, shape = header["descr"], tuple(int(n) for n in header["shape"])
    except (SyntaxError, ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path}: damaged .npy header: {error}") from error
    raw, wanted = bytearray(data[start:]), math.prod(shape) * dtype.itemsize
    if descr != _descr(dtype) or len(raw) != wanted or header["fortran_order"]:
        raise ValueError(
            f"{path}: found {len(raw)} bytes of {descr}, shape {shape}; "
            f"wanted {wanted} bytes of {_descr(dtype)} in C order"
        )
    return torch.frombuffer(raw, dtype=dtype).reshape(shape) if raw else _empty(shape, dtype)


def _empty(shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
    return torch.zeros(shape, dtype=dtype)


def _descr(dtype: torch.dtype) -> str:
    kind = _KINDS.get(dtype, f"u{dtype.itemsize}")
    return ("|" if kind.endswith("1") and dtype.itemsize == 1 else _ORDER) + kind
