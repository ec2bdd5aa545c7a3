"""A codec that is small enough for tests, with random weights, and its file."""

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from wellposed.engine.storage.modelfile import save_model
from wellposed.systems.codec.coder import Coder
from wellposed.systems.codec.model import Codec
from wellposed.systems.codec.recipe import CodecRecipe, Model, Scenes

LITTLE = Model(
    encoder_channels=(2, 4, 8, 8, 8),
    decoder_channels=(2, 4, 8, 8, 8),
    latent=12,
    bands=4,
    stages=4,
    size=64,
    code_dims=4,
)


def network(seed: int = 0, rate: int = 16000) -> Codec:
    """Weights by `seed`."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        made = Codec(LITTLE, rate)
    return made.eval().requires_grad_(False)


def coder(seed: int = 0, rate: int = 16000) -> Coder:
    """In use, at the level of the recipe's scenes."""
    return Coder(network(seed, rate), level_db=-25, span_db=10.0)


def weights_file(path: Path, seed: int = 0) -> Path:
    """Write the weights as a run would."""
    recipe = CodecRecipe(model=LITTLE, scenes=Scenes(level_dbfs=(-35.0, -15.0)))
    tensors = {f"model/{name}": value for name, value in network(seed).state_dict().items()}
    card = {"system": "codec", "recipe": recipe.model_dump(mode="json"), "step": 0}
    save_model(path, tensors, card)
    return path


def sound(
    samples: int, channels: int = 1, level: float = 0.05, seed: int = 0
) -> NDArray[np.float32]:
    """Noise (channels, samples) of an RMS."""
    rng = np.random.default_rng(seed)
    return (level * rng.normal(size=(channels, samples))).astype(np.float32)
