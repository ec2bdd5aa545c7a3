"""What a run has left in its folder, in a form in which two runs can be compared bit for bit."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from toy import Toy

from wellposed.engine.launch import resume, start
from wellposed.engine.randomness import seed_global
from wellposed.engine.recipe import Recipe
from wellposed.engine.storage import checkpoint
from wellposed.engine.storage.history import read_history
from wellposed.engine.storage.runfolder import RunFolder
from wellposed.engine.system import System

TIMES = ("time_s", "items_per_s")
"""Values of a row that depend on the clock."""
INTERRUPTIONS = ("stopped", "resumed", "damaged")
"""Events that only an interrupted run has."""


def train(
    recipe: Recipe, path: Path, *stops: int, kind: type[System[Any]] = Toy, **changes: Any
) -> Path:
    """Train in `path`, stopping and resuming after each of these steps."""
    ends = [*stops, None]
    start(kind, recipe, path, ends[0])
    for end in ends[1:]:
        resume(kind, path, changes, end)
    return path


def left_by(path: Path) -> dict[str, Any]:
    """Return all that must not depend on interruptions: state, best, history, findings."""
    folder = RunFolder(path)
    _, state, _ = checkpoint.latest(folder.checkpoints)
    del state["seconds"]
    text = json.dumps(read_history(folder.findings)).replace(str(path), "RUN")
    plain = {key: str(value).replace(str(path), "RUN") for key, value in leaves(state).items()}
    return {
        "state": plain,
        "best": folder.best_model.read_bytes() if folder.best_model.exists() else None,
        "history": rows(path),
        "findings": json.loads(text),
    }


def rows(path: Path) -> list[dict[str, Any]]:
    """Return the rows of the history without times and interruptions.

    An end that was told twice counts once: a kill may come between that and the process's end.
    """
    kept: list[dict[str, Any]] = []
    for row in read_history(RunFolder(path).history):
        if row.get("event") not in INTERRUPTIONS:
            values = {k: v for k, v in row.get("values", {}).items() if k not in TIMES}
            plain = {k: v for k, v in row.items() if k not in TIMES} | {"values": values}
            if row.get("event") != "finished" or plain not in kept:
                kept.append(plain)
    return kept


def events(path: Path, *names: str) -> list[str]:
    """Return the messages of these events, all if none is named."""
    history = read_history(RunFolder(path).history)
    return [row["message"] for row in history if row.get("event") in (names or (row["event"],))]


def leaves(tree: Any, name: str = "") -> dict[str, Any]:
    """Flatten a state; a tensor becomes its type, shape and bytes."""
    if isinstance(tree, Tensor):
        plain = tree.contiguous().reshape(-1).view(torch.uint8).tolist() if tree.numel() else []
        return {name: (str(tree.dtype), tuple(tree.shape), bytes(plain).hex())}
    if isinstance(tree, Mapping):
        found = {
            k: v for key, each in tree.items() for k, v in leaves(each, f"{name}/{key}").items()
        }
        return found or {name: {}}
    if isinstance(tree, list):
        found = {
            k: v for i, each in enumerate(tree) for k, v in leaves(each, f"{name}/{i}").items()
        }
        return found or {name: []}
    return {name: tree}


def weights(path: Path) -> dict[str, Tensor]:
    """Return the tensors of all networks in the newest checkpoint."""
    _, state, _ = checkpoint.latest(RunFolder(path).checkpoints)
    return {f"{n}/{k}": v for n, each in state["networks"].items() for k, v in each.items()}


def weights_at_start(kind: type[System[Any]], recipe: Recipe) -> dict[str, Tensor]:
    """Return what `weights` would after no step."""
    seed_global(recipe.seed, "weights")
    networks = kind(recipe).build()
    return {f"{n}/{k}": v for n, net in networks.items() for k, v in net.state_dict().items()}
