"""The flight recorder: a bad step on disk, complete enough to be run again.

One folder per alarm, `step-00000123/`, appears under its name only when it is complete:

    batch.json      the nested values; every tensor is {"$tensor": "0003.npy", "dtype": ...}
    0003.npy        one file per tensor, readable with numpy.load; no pickle anywhere
    finding.txt     the finding, for people
"""

import json
import os
import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from . import npy
from .findings import Finding, spoken
from .rows import Row

FORMAT = 1
_FILE = re.compile(r"\d{4,}\.npy")


@dataclass(frozen=True)
class Alarm:
    """What `load_batch` brings back."""

    step: int
    batch: Any
    """The nested values that were saved, tensors on the CPU."""
    rows: list[Row]
    finding: Finding | None


def save_batch(
    folder: str | os.PathLike[str],
    step: int,
    batch: Mapping[str, Any],
    rows: Sequence[Row] = (),
    finding: Finding | None = None,
) -> Path:
    """Write one alarm under `folder` (say `RUN/alarms`) and return its folder.

    `batch` is nested dicts (string keys), lists, tuples, tensors and JSON values; of anything
    else only the name of its type is kept. An alarm that is there already is not overwritten:
    the new one gets the suffix `-2`. Raises OSError when the disk does not take it.
    """
    parent = Path(folder)
    parent.mkdir(parents=True, exist_ok=True)
    name = f"step-{step:08d}"
    unfinished = parent / f".{name}.{os.getpid()}"
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir()
    try:
        tensors: list[Tensor] = []
        index = {
            "format": FORMAT,
            "step": step,
            "finding": None if finding is None else json.loads(finding.to_json()),
            "rows": [{"step": r.step, "values": _packed(dict(r.values), [])} for r in rows],
            "batch": _packed(dict(batch), tensors),
        }
        for number, tensor in enumerate(tensors):
            npy.write(unfinished / f"{number:04d}.npy", tensor)
        (unfinished / "finding.txt").write_text("" if finding is None else finding.text() + "\n")
        (unfinished / "batch.json").write_text(json.dumps(index, indent=1, allow_nan=False))
        for file in unfinished.iterdir():
            _flush(file)
        final = _free_name(parent / name)
        unfinished.rename(final)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    _flush(parent)
    return final


def load_batch(folder: str | os.PathLike[str]) -> Alarm:
    """Read one alarm. Raises ValueError when its files are damaged or not ours."""
    home = Path(folder)
    try:
        index = json.loads((home / "batch.json").read_text())
        if index["format"] != FORMAT:
            raise ValueError(f"{home}: format {index['format']}, this version reads {FORMAT}")
        finding = index["finding"]
        rows = [Row(each["step"], _unpacked(each["values"], home)) for each in index["rows"]]
        return Alarm(
            index["step"],
            _unpacked(index["batch"], home),
            rows,
            None if finding is None else Finding.from_json(json.dumps(finding)),
        )
    except (KeyError, TypeError, json.JSONDecodeError) as error:
        raise ValueError(f"{home}/batch.json: damaged, {error!r}") from error


def _packed(value: Any, tensors: list[Tensor]) -> Any:
    if isinstance(value, Tensor):
        return _packed_tensor(value, tensors)
    if isinstance(value, Mapping):
        return {str(key).replace("$", "$$"): _packed(v, tensors) for key, v in value.items()}
    if isinstance(value, tuple):
        return {"$tuple": [_packed(each, tensors) for each in value]}
    if isinstance(value, list):
        return [_packed(each, tensors) for each in value]
    if isinstance(value, float) and spoken(value) != value:
        return {"$float": spoken(value)}
    if value is None or isinstance(value, str | int | float):
        return value
    return {"$unsaved": type(value).__name__}


def _packed_tensor(tensor: Tensor, tensors: list[Tensor]) -> dict[str, Any]:
    if tensor.layout != torch.strided or hasattr(tensor, "to_local"):
        return {"$unsaved": f"{type(tensor).__name__} {tensor.layout} {tuple(tensor.shape)}"}
    tensors.append(tensor)
    dtype = str(tensor.dtype).removeprefix("torch.")
    return {"$tensor": f"{len(tensors) - 1:04d}.npy", "dtype": dtype, "device": str(tensor.device)}


def _unpacked(value: Any, home: Path) -> Any:
    if isinstance(value, list):
        return [_unpacked(each, home) for each in value]
    if not isinstance(value, dict):
        return value
    if "$tensor" in value:
        file, dtype = value["$tensor"], getattr(torch, value["dtype"], None)
        if not _FILE.fullmatch(file) or not isinstance(dtype, torch.dtype):
            raise ValueError(f"{home}/batch.json: no tensor of ours: {value}")
        return npy.read(home / file, dtype)
    if "$tuple" in value:
        return tuple(_unpacked(each, home) for each in value["$tuple"])
    if "$float" in value:
        return float(value["$float"])
    if "$unsaved" in value:
        return f"not saved: {value['$unsaved']}"
    return {key.replace("$$", "$"): _unpacked(each, home) for key, each in value.items()}


def _free_name(wanted: Path) -> Path:
    number, name = 1, wanted
    while name.exists():
        number += 1
        name = wanted.with_name(f"{wanted.name}-{number}")
    return name


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
