"""Finding and loading the weights of a codec: a file, a run folder, or what is shipped.

Promise: the network that comes out is the one that was trained, every tensor of it; anything else
is an error that names the file. Frequency tables are taken from beside the weights.
"""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from wellposed.engine.modelfile import load_model
from wellposed.engine.recipe import parse
from wellposed.engine.use import fill
from wellposed.errors import CheckpointError, RecipeError
from wellposed.systems.codec.bitstream.tables import Tables, load_tables
from wellposed.systems.codec.model import Codec
from wellposed.systems.codec.recipe import CodecRecipe

SHIPPED = Path(__file__).parent / "weights"
"""Folder of the weights that travel with the package."""
DEFAULT = "codec-1m"
"""Name of the shipped weights that are used when no model is named."""
TABLES = ".tables.safetensors"
"""Ends the name of the frequency tables of NAME.safetensors."""


def shipped() -> tuple[str, ...]:
    """Names of the weights that travel with the package; each can be given as a model."""
    found = (path.name for path in SHIPPED.glob("*.safetensors"))
    return tuple(
        sorted(name.removesuffix(".safetensors") for name in found if not name.endswith(TABLES))
    )


def find_weights(model: Path | str | None) -> Path:
    """File of weights for a file, a run folder, a shipped name, or None for the default.

    Raises CheckpointError: there is none.
    """
    known = ", ".join(shipped()) or "nothing"
    if model is None and DEFAULT not in shipped():
        raise CheckpointError(
            f"this package has no weights named {DEFAULT} (shipped: {known}). Train with "
            "`wellposed train codec --run RUN`, then give the run or a weights file: --model RUN"
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
        f"what is shipped: {known}"
    )


def is_codec(model: str) -> bool:
    """Whether a file, a run folder or a shipped name holds the weights of a codec."""
    try:
        return load_model(find_weights(model))[1].get("system") == "codec"
    except CheckpointError:
        return False  # whoever loads it in earnest says what is wrong


def recipe_of(path: Path) -> CodecRecipe:
    """Read the recipe that the weights in `path` were trained with.

    Raises CheckpointError: damaged, of another system, or a recipe this version cannot use.
    """
    return _recipe(load_model(path)[1], path)


def load_network(path: Path, device: torch.device) -> tuple[Codec, CodecRecipe]:
    """Build the network of a weights file, ready for use, and its recipe.

    Raises CheckpointError: damaged, of another system, or tensors that do not fit the recipe.
    """
    tensors, card = load_model(path)
    recipe = _recipe(card, path)
    with torch.random.fork_rng(devices=[]):  # building draws weights that are replaced at once
        network = Codec(recipe.model, recipe.scenes.rate)
    fill(network, "model", tensors, path)
    broken = [name for name, tensor in tensors.items() if not bool(tensor.isfinite().all())]
    if broken:
        raise CheckpointError(f"{path}: NaN or infinite weights in {', '.join(broken)}.")
    return network.eval().requires_grad_(False).to(device), recipe


def tables_path(weights: Path) -> Path:
    """Where the frequency tables of a weights file lie."""
    return weights.with_name(weights.name.removesuffix(".safetensors") + TABLES)


def load_tables_of(path: Path) -> Tables | None:
    """Return the frequency tables beside a weights file; None where there are none."""
    beside = tables_path(path)
    return load_tables(beside) if beside.is_file() else None


def identity(network: torch.nn.Module) -> bytes:
    """First 8 bytes of the SHA-256 over names, types, shapes and bytes of all weights.

    Of what the network computes with, not of a file: the same weights in another file, with
    another card, decode the same codes.
    """
    digest = hashlib.sha256()
    for name, tensor in sorted(network.state_dict().items()):
        plain: Tensor = tensor.detach().cpu().contiguous()
        digest.update(f"{name} {plain.dtype} {tuple(plain.shape)}\n".encode())
        digest.update(plain.reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.digest()[:8]


def open_device(name: str) -> torch.device:
    """Device for "cpu", "cuda", "cuda:1", or "auto": CUDA when there is one.

    Raises RecipeError: no such device here.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
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


def _recipe(card: Mapping[str, Any], path: Path) -> CodecRecipe:
    system = card.get("system", "codec")
    if system != "codec" or "recipe" not in card:
        raise CheckpointError(
            f"{path}: these are weights of the system {system!r}, with "
            f"{'a' if 'recipe' in card else 'no'} recipe. Wanted: weights of a codec run."
        )
    try:
        return parse(CodecRecipe, card["recipe"], str(path))
    except RecipeError as error:
        raise CheckpointError(
            f"{error}\nThis version cannot use the recipe inside these weights; use the version "
            "that wrote them."
        ) from error
