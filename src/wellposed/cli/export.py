"""`wellposed export`: the best weights of a run as one file to give away."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from wellposed.engine.modelfile import load_model, save_model
from wellposed.errors import RunError
from wellposed.systems.enhance.loading import find_weights


@dataclass
class Export:
    """Copy the best weights of a run into a file that names no path of this machine."""

    run: tyro.conf.Positional[Path]
    """Folder of the run, or a weights file."""
    output: Annotated[Path, tyro.conf.arg(aliases=["-o"])]
    """File to write, ending in .safetensors."""


def export(arguments: list[str]) -> int:
    """Write the file; the card keeps recipe, step, score and the digest of the data."""
    options = tyro.cli(Export, prog="wellposed export", args=arguments)
    if options.output.exists():
        raise RunError(f"{options.output}: exists already. Remove it, or name another file.")
    tensors, card = load_model(find_weights(options.run))
    card["recipe"]["data"]["path"] = None
    started = card["recipe"]["training"]["start_from"]
    if started is not None:
        card["recipe"]["training"]["start_from"] = Path(started).name
    save_model(options.output, tensors, card)
    count = sum(tensor.numel() for tensor in tensors.values())
    print(f"{options.output}: {count / 1e6:.3f} M weights of step {card['step']}")
    return 0
