"""A tiny network with seeded random weights: quick, and as strict about lengths as a large one."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from wellposed.engine.storage.modelfile import save_model
from wellposed.systems.enhance.model import Bsrnn
from wellposed.systems.enhance.recipe import EnhanceRecipe, Model
from wellposed.systems.enhance.use import Enhancer

Noise = Callable[..., NDArray[np.float32]]


def tiny_recipe(*, causal: bool = False) -> EnhanceRecipe:
    model = Model(features=8, hidden=8, depth=1, taps_hidden=8, causal=causal)
    return EnhanceRecipe(model=model)


def tiny_network(*, causal: bool = False) -> Bsrnn:
    recipe = tiny_recipe(causal=causal)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return Bsrnn(recipe.model, recipe.scenes.rate).eval()


@pytest.fixture(scope="session")
def enhancer() -> Enhancer:
    return Enhancer(tiny_network())


@pytest.fixture(scope="session")
def causal_enhancer() -> Enhancer:
    return Enhancer(tiny_network(causal=True))


@pytest.fixture(scope="session")
def run_folder(tmp_path_factory) -> Path:
    """A folder that looks like a run with weights."""
    folder = tmp_path_factory.mktemp("run")
    (folder / "best").mkdir()
    tensors = {f"model/{name}": value for name, value in tiny_network().state_dict().items()}
    card = {"system": "enhance", "recipe": tiny_recipe().model_dump(mode="json"), "step": 7}
    save_model(folder / "best" / "model.safetensors", tensors, card)
    return folder


@pytest.fixture(scope="session")
def weights(causal_enhancer, tmp_path_factory) -> Path:
    """A file with the weights of the causal network."""
    path = tmp_path_factory.mktemp("weights") / "causal.safetensors"
    state = causal_enhancer.network.state_dict()
    recipe = tiny_recipe(causal=True).model_dump(mode="json")
    card = {"system": "enhance", "recipe": recipe, "step": 7}
    save_model(path, {f"model/{name}": value for name, value in state.items()}, card)
    return path


@pytest.fixture(scope="session")
def noise() -> Noise:
    """`noise(channels, samples, level=0.1)`: seeded Gaussian noise that swells."""

    def make(channels: int, samples: int, level: float = 0.1) -> NDArray[np.float32]:
        rng = np.random.default_rng(samples)
        swell = 1.0 + 0.8 * np.sin(np.arange(samples) / 9_000)
        return (level * swell * rng.standard_normal((channels, samples))).astype(np.float32)

    return make
