"""The weights of enhancers, and their networks."""

from pathlib import Path

import torch

from wellposed.engine.shelf import Shelf
from wellposed.systems.enhance.model import Bsrnn
from wellposed.systems.enhance.recipe import EnhanceRecipe

WEIGHTS = Shelf(EnhanceRecipe, Path(__file__).parent / "weights", default="bsrnn-small")
CAUSAL = "mbs-causal"
"""Shipped weights that never look ahead: what a stream takes when no model is named."""


def load_network(path: Path, device: torch.device) -> Bsrnn:
    """Build the network of a weights file; CheckpointError as `Shelf.load`."""
    return WEIGHTS.load(path, lambda recipe: Bsrnn(recipe.model, recipe.scenes.rate), device)[0]
