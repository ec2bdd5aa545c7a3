"""Networks ready for use: built by their system, filled with the weights of a model file."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from wellposed.engine.storage.modelfile import load_model
from wellposed.engine.system import System
from wellposed.errors import CheckpointError, RecipeError


def load_networks(system: System[Any], path: Path) -> tuple[dict[str, nn.Module], dict[str, Any]]:
    """Return networks in evaluation mode with the weights of `path`, and the file's card.

    Raises CheckpointError for a damaged file, or one whose weights do not fit the recipe.
    """
    tensors, card = load_model(path)
    networks = system.build()
    for name, network in networks.items():
        fill(network, name, tensors, path)
        network.eval()
    return networks, card


def start_from(networks: Mapping[str, nn.Module], path: Path) -> None:
    """Fill networks that are about to be trained with the weights of a model file.

    The first network must be in it; others that are not (a critic that joins) stay as they are.
    Raises CheckpointError as `load_networks`.
    """
    tensors, _ = load_model(path)
    for number, (name, network) in enumerate(networks.items()):
        if number == 0 or any(key.startswith(f"{name}/") for key in tensors):
            fill(network, name, tensors, path)


def fill(network: nn.Module, name: str, tensors: Mapping[str, Tensor], path: Path) -> None:
    """Load the tensors called `name/...`; CheckpointError names what is missing or unknown."""
    mine = {
        key.removeprefix(f"{name}/"): value
        for key, value in tensors.items()
        if key.startswith(f"{name}/")
    }
    wanted = {key: tuple(value.shape) for key, value in network.state_dict().items()}
    found = {key: tuple(value.shape) for key, value in mine.items()}
    if wanted != found:
        odd = sorted(set(wanted.items()) ^ set(found.items()))
        raise CheckpointError(
            f"{path}: the weights do not fit the network of its recipe; the first of "
            f"{len(odd)} differences is {odd[0][0]} of shape {odd[0][1]}. "
            "Was the file made by another version?"
        )
    network.load_state_dict(mine)


def open_device(name: str) -> torch.device:
    """Device for "cpu", "cuda", "cuda:1", or "auto": CUDA when there is one.

    Raises RecipeError: no such device here.
    """
    cuda = torch.cuda.is_available()
    if name == "auto":
        return torch.device("cuda" if cuda else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        raise RecipeError(f"device {name!r}: want auto, cpu, cuda or cuda:N") from None
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise RecipeError(
            f"device {name!r}: PyTorch {torch.__version__} sees {torch.cuda.device_count()} CUDA "
            "devices; use cpu, or install a CUDA build of PyTorch"
        )
    return device
