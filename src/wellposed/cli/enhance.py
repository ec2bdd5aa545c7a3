"""`wellposed enhance`: noise out of audio files."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from wellposed.systems.enhance.files import enhance_paths


@dataclass
class Enhance:
    """Remove noise from audio files or folders: any rate, any number of channels, any length."""

    inputs: tyro.conf.Positional[tuple[Path, ...]]
    """Files and folders."""
    output: Annotated[Path | None, tyro.conf.arg(aliases=["-o"])] = None
    """File for one file, folder for several; without it NAME-enhanced beside each."""
    model: str | None = None
    """Folder of a run, weights file, or name of shipped weights; without it the shipped ones."""
    device: str = "cpu"
    """cpu, cuda, cuda:1, or auto."""
    overwrite: bool = False
    """Replace outputs that exist."""


def enhance(arguments: list[str]) -> int:
    """Enhance files; 0 all done, 1 something failed, 2 nothing to do."""
    options = tyro.cli(Enhance, prog="wellposed enhance", args=arguments)
    return enhance_paths(
        options.inputs,
        options.output,
        model=options.model,
        device=options.device,
        overwrite=options.overwrite,
    )
