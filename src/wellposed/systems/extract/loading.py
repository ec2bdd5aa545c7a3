"""The weights of extractors, and their networks."""

from pathlib import Path

import torch

from wellposed.engine.shelf import Shelf
from wellposed.systems.extract.model import Extract
from wellposed.systems.extract.recipe import ExtractRecipe

WEIGHTS = Shelf(ExtractRecipe, Path(__file__).parent / "weights", default="speaker-1m")


def load_network(path: Path, device: torch.device) -> tuple[Extract, ExtractRecipe]:
    """Build the network of a weights file, and its recipe; CheckpointError as `Shelf.load`."""
    return WEIGHTS.load(path, lambda recipe: Extract(recipe.model, recipe.scenes.rate), device)
