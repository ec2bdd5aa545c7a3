"""A scene of the codec system: a piece of speech at a level, and nothing else.

`CodecScenes.scene(split, index)` is a pure function: every draw comes from a counter-based
generator keyed by (seed, split, index). There is no loader state to save or to lose.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from wellposed.data.keyed import generator
from wellposed.data.mixing import SILENCE, Wave, active_power, power
from wellposed.data.sounds import Sounds
from wellposed.systems.codec.recipe import Scenes

PEAK = 0.99
"""Largest sample; louder scenes are turned down."""
AROUND_S = 4.0
"""Length that the level is taken from [s]: a pause keeps the level that a pause has."""
TRIES = 8
"""Places that are looked at; the first that is no pause is taken, or else the last."""
PAUSE_DB = -25.0
"""Level below that of the active speech under which a whole piece counts as a pause."""


@dataclass(frozen=True)
class Scene:
    """A waveform `(time,)` and what was drawn to make it."""

    wave: Wave
    facts: Mapping[str, object]


@dataclass(frozen=True)
class CodecScenes:
    """All scenes of a recipe, each by its number."""

    recipe: Scenes
    sounds: Sounds
    seed: int

    def scene(self, split: str, index: int) -> Scene:
        """Make scene `index` of "train", "valid" or "test"."""
        rng = generator(self.seed, "codec", split, index)
        recipe = self.recipe
        seconds = recipe.seconds if split == "train" else recipe.validation_seconds
        samples = round(seconds * recipe.rate)
        around = self.sounds.speech(split, max(samples, round(AROUND_S * recipe.rate)), rng)
        loud = active_power(around.wave, recipe.rate)
        piece = _piece(around.wave, samples, loud, rng)
        level = float(rng.uniform(*recipe.level_dbfs))
        gain = 10 ** (level / 20) / np.sqrt(max(loud, SILENCE))
        gain = min(gain, PEAK / max(float(np.abs(piece).max()), 1e-9))
        wave = (piece * np.float32(gain)).astype(np.float32, copy=False)
        told = {"speaker": around.group, "speech": around.source, "level_dbfs": level}
        return Scene(wave, told)


def _piece(wave: Wave, samples: int, loud: float, rng: np.random.Generator) -> Wave:
    piece = wave[:samples]
    for _ in range(TRIES):
        start = int(rng.integers(len(wave) - samples + 1))
        piece = wave[start : start + samples]
        if power(piece) > loud * 10 ** (PAUSE_DB / 10):
            break
    return piece
