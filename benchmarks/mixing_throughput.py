"""How many noisy scenes of four seconds one processor core makes in a second.

Training scenes at 16 kHz under the default recipe, from a corpus folder (--data) or synthesis. Two
figures: the first scenes, which decode files or make synthetic takes, and the scenes after them,
whose sources lie in memory, as after the first epoch of a training. Measured with the process's
own clock, which stands still while other processes compute; medians over blocks of scenes.

    python benchmarks/mixing_throughput.py [--data FOLDER] [--scenes 600] [--json FILE]
"""

import argparse
import json
import statistics
import time
from pathlib import Path

import torch
from this_machine import machine

from wellposed.data.corpus import open_corpus
from wellposed.data.sounds import CorpusSounds, Sounds, SyntheticSounds
from wellposed.systems.enhance.recipe import Scenes
from wellposed.systems.enhance.scenes import EnhanceScenes

BLOCK = 50
"""Scenes per block: a block holds every kind of scene in about its share."""


def sounds_of(data: Path | None, recipe: Scenes) -> Sounds:
    """Open the corpus, or the synthesis."""
    if data is None:
        return SyntheticSounds(recipe.rate)
    return CorpusSounds(open_corpus(data), recipe.rate, 4096, recipe.minimum_range_db)


def per_second(scenes: EnhanceScenes, count: int) -> list[float]:
    """Scenes per second of processor time, block by block, over scenes 0 to `count - 1`."""
    figures = []
    for start in range(0, count, BLOCK):
        begun = time.process_time()
        for index in range(start, min(start + BLOCK, count)):
            scenes.scene("train", index)
        figures.append(BLOCK / (time.process_time() - begun))
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path)
    parser.add_argument("--scenes", type=int, default=600)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    recipe = Scenes(seconds=4.0)
    scenes = EnhanceScenes(recipe, sounds_of(options.data, recipe), seed=0)
    count = max(BLOCK, options.scenes // BLOCK * BLOCK)
    first, again = per_second(scenes, count), per_second(scenes, count)
    figures = {
        "first_per_s": statistics.median(first),
        "again_per_s": statistics.median(again),
        "again_lowest_per_s": min(again),
        "again_highest_per_s": max(again),
    }
    source = "synthesis" if options.data is None else f"corpus of {options.data.name}"
    print(f"{machine()}, one thread; {count} scenes of 4 s at 16 kHz from {source}")
    print(f"first time  {figures['first_per_s']:6.0f} scenes per second and core")
    print(f"from memory {figures['again_per_s']:6.0f} scenes per second and core", end=" ")
    print(f"(blocks of {BLOCK}: {min(again):.0f} to {max(again):.0f})")
    if options.json:
        options.json.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
