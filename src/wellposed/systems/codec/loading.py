"""The weights of codecs, their networks, and the frequency tables beside them."""

import hashlib
from pathlib import Path

import torch
from torch import Tensor

from wellposed.engine.shelf import Shelf
from wellposed.systems.codec.bitstream.tables import Tables, load_tables
from wellposed.systems.codec.model import Codec
from wellposed.systems.codec.recipe import CodecRecipe

WEIGHTS = Shelf(CodecRecipe, Path(__file__).parent / "weights", default="codec-1m")
TABLES = ".tables.safetensors"
"""Ends the name of the frequency tables of NAME.safetensors."""


def load_network(path: Path, device: torch.device) -> tuple[Codec, CodecRecipe]:
    """Build the network of a weights file, and its recipe; CheckpointError as `Shelf.load`."""
    return WEIGHTS.load(path, lambda recipe: Codec(recipe.model, recipe.scenes.rate), device)


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
