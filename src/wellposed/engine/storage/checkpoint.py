"""Complete states of a run on disk: one file per generation, written whole, checked when read.

A kill, a full disk or a flipped bit costs at most the newest generation, never all: a file
appears only when complete and read back, and older ones go only after that. What is a state, and
what comes back exactly, is told in `tree`.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wellposed.engine.storage.atomic import explain, sync_folder
from wellposed.engine.storage.tensorfile import read_tensors, write_tensors
from wellposed.engine.storage.tree import pack, unpack
from wellposed.errors import CheckpointError

FORMAT = "wellposed-checkpoint/1"
_NAME = re.compile(r"step-(\d{8,})\.safetensors")


@dataclass(frozen=True)
class Damage:
    """A generation that could not be used."""

    path: Path
    reason: str
    """A full sentence that names the file."""


def save(folder: Path, step: int, state: Mapping[str, Any], keep: int = 2) -> Path:
    """Write the state after `step` steps and return its file; keep the newest `keep` ones.

    Generations of later steps are of a future that this run has left (it went on from an
    earlier step), and are removed too. Raises CheckpointError: disk full, folder not writable,
    a value that cannot be kept; the generations there were are untouched then.
    """
    assert keep >= 1
    assert step >= 0
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        message = f"{folder}: cannot be made: {explain(error, folder.parent)}"
        raise CheckpointError(message) from error
    path = folder / f"step-{step:08d}.safetensors"
    text, tensors = pack(state)
    write_tensors(path, FORMAT, text, tensors)
    _remove_all_but(folder, step, keep)
    return path


def load(path: Path) -> dict[str, Any]:
    """Return the state in `path`, tensors on the CPU.

    Raises CheckpointError: missing, cut short, damaged, not a checkpoint.
    """
    return unpack(*read_tensors(path, FORMAT))


def latest(folder: Path) -> tuple[Path, dict[str, Any], list[Damage]]:
    """Return the newest undamaged generation, its state, and the damaged ones that were newer.

    Raises CheckpointError: no generation, or none undamaged.
    """
    generations = steps_of(folder)
    if not generations:
        raise CheckpointError(f"{folder}: no checkpoint (step-*.safetensors). Check the path.")
    damaged: list[Damage] = []
    for step in sorted(generations, reverse=True):
        path = generations[step]
        try:
            return path, load(path), damaged
        except CheckpointError as error:
            damaged.append(Damage(path, str(error)))
    reasons = "\n".join(f"  {damage.reason}" for damage in damaged)
    raise CheckpointError(
        f"{folder}: all {len(damaged)} checkpoints are damaged:\n{reasons}\n"
        "Start again, or bring a copy of this folder back."
    )


def steps_of(folder: Path) -> dict[int, Path]:
    """Return the generations in `folder` by step, undamaged or not."""
    if not folder.is_dir():
        return {}
    matches = [(_NAME.fullmatch(path.name), path) for path in folder.iterdir()]
    return {int(match[1]): path for match, path in matches if match}


def _remove_all_but(folder: Path, step: int, keep: int) -> None:
    generations = steps_of(folder)
    kept = sorted((number for number in generations if number <= step), reverse=True)[:keep]
    try:
        for number in generations.keys() - kept:
            generations[number].unlink(missing_ok=True)
        sync_folder(folder)
    except OSError as error:
        message = f"{folder}: an old checkpoint stays: {explain(error, folder)}"
        raise CheckpointError(message) from error
