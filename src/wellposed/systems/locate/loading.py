"""The weights of locators, and their networks."""

from pathlib import Path

import torch

from wellposed.engine.shelf import Shelf
from wellposed.systems.locate.model import Locator
from wellposed.systems.locate.recipe import LocateRecipe

WEIGHTS = Shelf(LocateRecipe, Path(__file__).parent / "weights", default="surface-small")


def load_network(path: Path, device: torch.device) -> tuple[Locator, LocateRecipe]:
    """Build the network of a weights file, and its recipe; CheckpointError as `Shelf.load`."""
    return WEIGHTS.load(path, Locator, device)
