"""Finding and loading the weights of an enhancer: a file, a run folder, or what is shipped.

Promise: the network that comes out is the one that was trained, every tensor of it; anything
else is an error that names the file. No generator of the caller is touched.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from wellposed.engine.modelfile import load_model
from wellposed.engine.recipe import parse
from wellposed.engine.use import fill
from wellposed.errors import CheckpointError, RecipeError
from wellposed.systems.enhance.model import Bsrnn
from wellposed.systems.enhance.recipe import EnhanceRecipe

SHIPPED = Path(__file__).parent / "weights"
"""Folder of the weights that travel with the package."""
DEFAULT = "bsrnn-small"
"""Name of the shipped weights that are used when no model is named."""


def shipped() -> tuple[str, ...]:
    """Names of the weights that travel with the package; each can be given as a model."""
    return tuple(sorted(path.stem for path in SHIPPED.glob("*.safetensors")))


def find_weights(model: Path | str | None) -> Path:
    """File of weights for a file, a run folder, a shipped name, or None for the default.

    Raises CheckpointError: there is none.
    """
    if model is None and DEFAULT not in shipped():
        raise CheckpointError(
            f"this package has no weights named {DEFAULT} (shipped: {_shipped_words()}). Train "
            "with `wellposed train enhance --run RUN`, then give the run or a weights file: "
            "--model RUN"
        )
    path = Path(DEFAULT if model is None else model)
    if path.is_dir():
        best = path / "best" / "model.safetensors"
        if not best.is_file():
            raise CheckpointError(
                f"{path}: this folder has no best/model.safetensors; a run has it from its first "
                "validation on. Give the folder of a run, or a weights file."
            )
        return best
    if path.is_file():
        return path
    if str(path) in shipped():
        return SHIPPED / f"{path}.safetensors"
    raise CheckpointError(
        f"{path}: no such weights. Give a .safetensors file, the folder of a run, or a name of "
        f"what is shipped: {_shipped_words()}"
    )


def recipe_of(path: Path) -> EnhanceRecipe:
    """Read the recipe that the weights in `path` were trained with.

    Raises CheckpointError: damaged, of another system, or a recipe this version cannot use.
    """
    return _recipe(load_model(path)[1], path)


def load_network(path: Path, device: torch.device) -> Bsrnn:
    """Build the network of a weights file, ready for use.

    Raises CheckpointError: damaged, of another system, or tensors that do not fit the recipe.
    """
    tensors, card = load_model(path)
    recipe = _recipe(card, path)
    with torch.random.fork_rng(devices=[]):  # building draws weights that are replaced at once
        network = Bsrnn(recipe.model, recipe.scenes.rate)
    fill(network, "model", tensors, path)
    broken = [name for name, tensor in tensors.items() if not bool(tensor.isfinite().all())]
    if broken:
        raise CheckpointError(f"{path}: NaN or infinite weights in {', '.join(broken)}.")
    return network.eval().requires_grad_(False).to(device)


def _recipe(card: Mapping[str, Any], path: Path) -> EnhanceRecipe:
    system = card.get("system", "enhance")
    if system != "enhance" or "recipe" not in card:
        raise CheckpointError(
            f"{path}: these are weights of the system {system!r}, with "
            f"{'a' if 'recipe' in card else 'no'} recipe. Wanted: weights of an enhance run."
        )
    try:
        return parse(EnhanceRecipe, card["recipe"], str(path))
    except RecipeError as error:
        raise CheckpointError(
            f"{error}\nThis version cannot use the recipe inside these weights; use the version "
            "that wrote them."
        ) from error


def _shipped_words() -> str:
    return ", ".join(shipped()) or "nothing"
