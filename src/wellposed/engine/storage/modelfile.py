"""Weights to use and to ship: one safetensors file with a card that says where they come from.

As safe as a checkpoint: written whole or not at all, checked when read. Tensor names are kept as
they are, so that other tools can read the file.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from wellposed.engine.storage.tensorfile import NATIVE, read_tensors, write_tensors
from wellposed.engine.storage.tree import pack, unpack
from wellposed.errors import CheckpointError

FORMAT = "wellposed-model/1"


def save_model(path: Path, tensors: Mapping[str, Tensor], card: Mapping[str, Any]) -> None:
    """Write weights and their card (system, recipe, step, metric...: JSON values) to `path`.

    Raises CheckpointError: disk full, folder missing or not writable, a type that safetensors
    does not know, a card that holds tensors or other objects.
    """
    for name, tensor in tensors.items():
        if tensor.dtype not in NATIVE:
            raise CheckpointError(
                f"{path}: {name} is of type {tensor.dtype}, which a model file cannot hold. "
                "Convert it to real numbers first."
            )
    text, inside = pack(card)
    if inside:
        raise CheckpointError(
            f"{path}: the card holds a tensor ({next(iter(inside))}). Put it among the weights."
        )
    write_tensors(path, FORMAT, text, tensors)


def load_model(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Return weights (on the CPU) and card of a file of `save_model`.

    Raises CheckpointError: missing, cut short, damaged, not a model file.
    """
    text, tensors = read_tensors(path, FORMAT)
    return tensors, unpack(text, {})


def without_paths(card: Mapping[str, Any]) -> dict[str, Any]:
    """Return a card to give away: its recipe names no folder of the machine that trained."""
    recipe = dict(card["recipe"])
    recipe["data"] = recipe["data"] | {"path": None}
    started = recipe["training"]["start_from"]
    name = None if started is None else Path(started).name
    recipe["training"] = recipe["training"] | {"start_from": name}
    return {**card, "recipe": recipe}
