"""Trackers of a run by name, as `--log-to` takes them: TensorBoard and Weights & Biases."""

import hashlib
import os
from collections.abc import Callable, Sequence
from importlib.util import find_spec

from wellposed.engine.recipe import Recipe
from wellposed.engine.storage.runfolder import RunFolder
from wellposed.errors import RecipeError, RunError
from wellposed.guard.adapters.trackers import TensorBoard, Tracker, WandB

PROJECT = "wellposed"
"""Of W&B, unless WANDB_PROJECT says another."""


def _tensorboard(folder: RunFolder, recipe: Recipe) -> Tracker:
    return TensorBoard(folder.path / "tensorboard")


def _wandb(folder: RunFolder, recipe: Recipe) -> Tracker:
    path = folder.path.resolve()
    return WandB(
        memory=path / "wandb" / "told.json",
        dir=str(path),
        project=_project(),
        name=path.name,
        # A resumed run goes on with the same curves.
        id=hashlib.sha256(str(path).encode()).hexdigest()[:16],
        resume="allow",
        config=recipe.model_dump(mode="json"),
    )


def _project() -> str | None:
    return None if "WANDB_PROJECT" in os.environ else PROJECT


OPENERS: dict[str, Callable[[RunFolder, Recipe], Tracker]] = {
    "tensorboard": _tensorboard,
    "wandb": _wandb,
}


def require_trackers(names: Sequence[str]) -> None:
    """Raise RecipeError for a name that is none, or whose package is not installed."""
    for name in names:
        if name not in OPENERS:
            raise RecipeError(f"--log-to {name}: want one of {', '.join(OPENERS)}.")
        if find_spec(name) is None:
            raise RecipeError(
                f"--log-to {name}: the package {name} is not installed. "
                f"pip install 'wellposed[{name}]', or leave it out: history.jsonl has everything."
            )


def open_trackers(names: Sequence[str], folder: RunFolder, recipe: Recipe) -> list[Tracker]:
    """Trackers that write below the run's folder, in the order of their names.

    Raises RunError: what one of them remembers is damaged.
    """
    try:
        return [OPENERS[name](folder, recipe) for name in names]
    except ValueError as error:
        raise RunError(f"--log-to: {error}") from error
