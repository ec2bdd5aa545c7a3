"""Named tensors and a text in one safetensors file that knows when it is damaged.

The file is readable by any safetensors tool. Its first metadata entry is the SHA-256 of the
whole file with these 64 digits as zeros, so that no byte can change unseen: names, types,
shapes, values, text and padding. What is read back was checked first.

Format: https://github.com/huggingface/safetensors#format
"""

import hashlib
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO

import torch
from safetensors.torch import load_file
from torch import Tensor

from wellposed.engine.storage.atomic import explain, replacing
from wellposed.errors import CheckpointError

NATIVE = {
    torch.float64: "F64",
    torch.float32: "F32",
    torch.float16: "F16",
    torch.bfloat16: "BF16",
    torch.int64: "I64",
    torch.int32: "I32",
    torch.int16: "I16",
    torch.int8: "I8",
    torch.uint8: "U8",
    torch.bool: "BOOL",
}
"""Types that every version of safetensors can read."""

_ZIP = b"PK\x03\x04"
_OPENING = b'{"__metadata__":{"sha256":"'
_DIGITS = 64
_PREFIX = 8  # the header's length, little-endian
_HEADER_LIMIT = 100_000_000  # of the safetensors library
_BLOCK = 1 << 20


def write_tensors(path: Path, kind: str, text: str, tensors: Mapping[str, Tensor]) -> None:
    """Write `tensors` (types of `NATIVE`, any device) and `text` to `path`, whole or not at all.

    The bytes are read back before `path` is touched. Raises CheckpointError: disk full, folder
    missing or not writable, disk that does not keep what it was given, text too long.
    """
    # Wide types first keeps every tensor aligned, as readers that map the file expect.
    names = sorted(tensors, key=lambda name: (-tensors[name].element_size(), name))
    header = _header(kind, text, {name: tensors[name] for name in names})
    if len(header) > _HEADER_LIMIT:
        raise CheckpointError(
            f"{path}: names and plain values take {len(header) / 1e6:.0f} MB, the format holds "
            f"{_HEADER_LIMIT / 1e6:.0f} MB. Keep large lists as tensors."
        )
    try:
        with replacing(path) as file:
            digest = hashlib.sha256(header)
            file.write(header)
            for name in names:
                # One tensor at a time: no second copy of the whole on the host.
                data = as_bytes(tensors[name]).numpy().data
                file.write(data)
                digest.update(data)
            file.seek(_PREFIX + len(_OPENING))
            file.write(digest.hexdigest().encode())
            file.flush()
            _check(file, path)
    except OSError as error:
        raise CheckpointError(f"{path}: not written: {explain(error, path.parent)}") from error


def read_tensors(path: Path, kind: str) -> tuple[str, dict[str, Tensor]]:
    """Return the text and the tensors (on the CPU) of a file of `write_tensors`.

    Raises CheckpointError: missing, unreadable, cut short, damaged, or of another kind.
    """
    try:
        with path.open("rb") as file:
            header = _check(file, path)
    except FileNotFoundError as error:
        raise CheckpointError(f"{path}: there is no such file. Check the path.") from error
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read: {error.strerror or error}.") from error
    metadata = json.loads(header)["__metadata__"]
    if metadata["format"] != kind:
        raise CheckpointError(
            f"{path}: this is a file of format {metadata['format']!r}, wanted {kind!r}. "
            "Name the right file, or use the version of wellposed that wrote it."
        )
    # Cloned: the library maps the file, and the state must outlive it.
    return metadata["state"], {name: tensor.clone() for name, tensor in load_file(path).items()}


def as_bytes(tensor: Tensor) -> Tensor:
    """Return the bytes of `tensor`, row-major, as uint8 on the CPU; a view if possible."""
    plain = tensor.detach().resolve_conj().resolve_neg().to("cpu").contiguous()
    # An empty tensor can have strides that `view` refuses.
    return plain.reshape(-1).view(torch.uint8) if plain.numel() else torch.empty(0).byte()


def _header(kind: str, text: str, tensors: Mapping[str, Tensor]) -> bytes:
    """Return length and header, with zeros for the digest."""
    metadata = {"sha256": "0" * _DIGITS, "format": kind, "state": text}
    entries: dict[str, object] = {"__metadata__": metadata}
    end = 0
    for name, tensor in tensors.items():
        start, end = end, end + math.prod(tensor.shape) * tensor.element_size()
        dtype, shape = NATIVE[tensor.dtype], list(tensor.shape)
        entries[name] = {"dtype": dtype, "shape": shape, "data_offsets": [start, end]}
    body = json.dumps(entries, separators=(",", ":")).encode()
    body += b" " * (-len(body) % _PREFIX)
    return len(body).to_bytes(_PREFIX, "little") + body


def _check(file: BinaryIO, path: Path) -> bytes:
    """Return the header if the digest agrees, else raise CheckpointError."""
    size = file.seek(0, 2)
    file.seek(0)
    prefix = file.read(_PREFIX)
    length = int.from_bytes(prefix, "little")
    if prefix.startswith(_ZIP):
        raise CheckpointError(
            f"{path}: found a zip, as torch.save writes; wanted a .safetensors file of wellposed. "
            "Files of torch.save run code when they are read, and are not taken."
        )
    if size < _PREFIX or length > size - _PREFIX:
        raise _damage(
            path, f"no .safetensors file, or cut short at {size} bytes, or its first bytes differ"
        )
    header = file.read(length)
    if not header.startswith(_OPENING):
        raise _damage(path, "or no file of wellposed: its header is another")
    start = len(_OPENING)
    found = header[start : start + _DIGITS]
    digest = hashlib.sha256(prefix + header[:start] + b"0" * _DIGITS + header[start + _DIGITS :])
    while block := file.read(_BLOCK):
        digest.update(block)
    if found != digest.hexdigest().encode():
        wanted = _PREFIX + length + _data_size(header)
        cut = f"it is cut short: {size} of {wanted} bytes"
        raise _damage(path, cut if size < wanted else "digest differs")
    return header


def _data_size(header: bytes) -> int:
    """Return the size of all tensors as a header, perhaps damaged, tells it; 0 if it does not."""
    try:
        entries = json.loads(header)
        return max(entries[name]["data_offsets"][1] for name in entries if name != "__metadata__")
    except (ValueError, KeyError, TypeError, IndexError):
        return 0


def _damage(path: Path, found: str) -> CheckpointError:
    return CheckpointError(f"{path} is damaged ({found}). Use an earlier one, or copy it again.")
