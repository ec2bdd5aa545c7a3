"""A codec and scenes of the kind that it was trained for, on a given corpus."""

from pathlib import Path

import torch

from wellposed.engine.recipe import changed
from wellposed.systems.codec.loading import WEIGHTS, load_network
from wellposed.systems.codec.model import Codec
from wellposed.systems.codec.system import CodecSystem


def subject(weights: str, data: Path) -> tuple[Codec, CodecSystem]:
    """Load weights by name, file or run; the scenes are those of their recipe on `data`."""
    codec, recipe = load_network(WEIGHTS.find(weights), torch.device("cpu"))
    # The weights that the training started from need not be here.
    keys = {"data.path": str(data.resolve()), "training.start_from": None}
    return codec, CodecSystem(changed(recipe, keys, "benchmark"))
