"""Loading the weights of an extractor: a file, or the best of a run."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from wellposed.engine.modelfile import load_model
from wellposed.engine.recipe import parse
from wellposed.engine.use import fill, find_model
from wellposed.errors import CheckpointError, RecipeError
from wellposed.systems.extract.model import Extract
from wellposed.systems.extract.recipe import ExtractRecipe


def is_extract(model: Path | str) -> bool:
    """Whether a file or a run folder holds the weights of an extractor."""
    try:
        return load_model(find_model(model))[1].get("system") == "extract"
    except CheckpointError:
        return False  # whoever loads it in earnest says what is wrong


def load_network(path: Path, device: torch.device) -> tuple[Extract, ExtractRecipe]:
    """Build the network of a weights file, ready for use, and the recipe it was trained with.

    Raises CheckpointError: damaged, of another system, or tensors that do not fit the recipe.
    """
    tensors, card = load_model(path)
    recipe = _recipe(card, path)
    with torch.random.fork_rng(devices=[]):  # building draws weights that are replaced at once
        network = Extract(recipe.model, recipe.scenes.rate)
    fill(network, "model", tensors, path)
    broken = [name for name, tensor in tensors.items() if not bool(tensor.isfinite().all())]
    if broken:
        raise CheckpointError(f"{path}: NaN or infinite weights in {', '.join(broken)}.")
    return network.eval().requires_grad_(False).to(device), recipe


def _recipe(card: Mapping[str, Any], path: Path) -> ExtractRecipe:
    system = card.get("system")
    if system != "extract" or "recipe" not in card:
        raise CheckpointError(
            f"{path}: these are weights of the system {system!r}, with "
            f"{'a' if 'recipe' in card else 'no'} recipe. Wanted: weights of an extract run."
        )
    try:
        return parse(ExtractRecipe, card["recipe"], str(path))
    except RecipeError as error:
        raise CheckpointError(
            f"{error}\nThis version cannot use the recipe inside these weights; use the version "
            "that wrote them."
        ) from error
