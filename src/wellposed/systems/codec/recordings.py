"""Mono recordings to score a codec on: files of a folder, or scenes of a corpus."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from wellposed.data.audio import SUFFIXES, Waveform, read
from wellposed.engine.recipe import changed
from wellposed.errors import DataError
from wellposed.systems.codec.loading import WEIGHTS
from wellposed.systems.codec.system import CodecSystem


def recordings(
    weights: Path, data: Path | None, scenes: int, split: str = "test"
) -> Iterator[tuple[str, Waveform, int]]:
    """Yield name, (1, time) and rate [Hz] of each.

    `data` is a corpus (a folder with manifest.csv), of which `scenes` scenes of `split` are made
    as the recipe of the weights says; or a folder, whose audio files are taken whole (those of
    clean/ where there is one); or None, for the data of the recipe. Raises DataError: no audio.
    """
    if data is not None and not (data / "manifest.csv").is_file():
        yield from _files(data / "clean" if (data / "clean").is_dir() else data)
        return
    recipe = WEIGHTS.recipe_of(weights)
    if data is not None:
        recipe = changed(recipe, {"data.path": str(data.resolve())}, "--data")
    made = CodecSystem(recipe).scenes
    for number in range(scenes):
        wave = made.scene(split, number).wave
        yield f"scene-{number:04d}", np.asarray(wave, np.float32)[None], recipe.scenes.rate


def _files(folder: Path) -> Iterator[tuple[str, Waveform, int]]:
    found = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES)
    if not found:
        raise DataError(f"{folder}: no audio in this folder, and no manifest.csv")
    for path in found:
        wave, rate = read(path)
        yield path.relative_to(folder).as_posix(), wave, rate
