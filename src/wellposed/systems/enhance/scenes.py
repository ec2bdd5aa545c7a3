"""A scene of the enhance system: noisy speech and what it should become.

`EnhanceScenes.scene(split, index)` is a pure function: every draw comes from a counter-based
generator keyed by (seed, split, index). There is no loader state to save or to lose.
"""

from dataclasses import dataclass

import numpy as np

from wellposed.data.keyed import generator
from wellposed.data.mixing import (
    SILENCE,
    Wave,
    active_power,
    equaliser,
    gain_for_ratio,
    power,
    reshape_sound,
    stretched_length,
)
from wellposed.data.rooms import reverberate
from wellposed.data.sounds import Sounds
from wellposed.data.synthetic_noise import noise as computed_noise
from wellposed.systems.enhance.recipe import Scenes

PEAK = 0.99
"""Largest sample of a mixture; louder scenes are turned down whole, target and noise alike."""


@dataclass(frozen=True)
class Scene:
    """Waveforms `(time,)` and what was drawn to make them."""

    noisy: Wave
    clean: Wave
    facts: dict[str, object]


@dataclass(frozen=True)
class EnhanceScenes:
    """All scenes of a recipe, each by its number."""

    recipe: Scenes
    sounds: Sounds
    seed: int

    def scene(self, split: str, index: int) -> Scene:
        """Make scene `index` of "train", "valid" or "test"."""
        rng = generator(self.seed, "enhance", split, index)
        recipe = self.recipe
        seconds = recipe.seconds if split == "train" else recipe.validation_seconds
        samples = round(seconds * recipe.rate)
        clean, facts = self._speech(split, samples, rng)
        noise = self._noises(split, samples, rng, facts)
        snr_db = float(rng.uniform(*recipe.snr_db))
        gain = 1.0
        if power(clean) >= SILENCE:
            noise_power = active_power(noise, recipe.rate)
            gain = gain_for_ratio(active_power(clean, recipe.rate), noise_power, snr_db)
        noisy = (clean + np.float32(gain) * noise).astype(np.float32)
        level = float(rng.uniform(*recipe.level_dbfs))
        scale = 10 ** (level / 20) / np.sqrt(max(power(noisy), SILENCE))
        scale = np.float32(min(scale, PEAK / max(float(np.abs(noisy).max()), 1e-9)))
        facts |= {"snr_db": snr_db, "level_dbfs": level}
        return Scene(_times(noisy, scale), _times(clean, scale), facts)

    def _speech(
        self, split: str, samples: int, rng: np.random.Generator
    ) -> tuple[Wave, dict[str, object]]:
        recipe = self.recipe
        speed = float(rng.uniform(*recipe.speed))
        absent = bool(rng.random() < recipe.absent)
        excerpt = self.sounds.speech(split, stretched_length(samples, speed), rng)
        curve = equaliser(rng, samples // 2 + 1, recipe.rate, recipe.equalise_db / 2)
        wave = reshape_sound(excerpt.wave, samples, curve)
        reverberant = bool(rng.random() < recipe.room)
        if reverberant:
            wave = reverberate(wave, self.sounds.room(split, rng))
        if absent or power(wave) < SILENCE:
            wave, absent = np.zeros(samples, np.float32), True
        return wave, {
            "speaker": excerpt.group,
            "speech": excerpt.source,
            "speed": speed,
            "room": reverberant,
            "absent": absent,
        }

    def _noises(
        self, split: str, samples: int, rng: np.random.Generator, facts: dict[str, object]
    ) -> Wave:
        recipe = self.recipe
        weights = np.asarray(recipe.noises)
        count = int(rng.choice(len(weights), p=weights / weights.sum()))
        total = np.zeros(samples, np.float32)
        names = []
        for _ in range(count):
            wave, name = self._one_noise(split, samples, rng, str(facts["speaker"]))
            level_db = float(rng.normal(0.0, 5.0))
            total += wave * np.float32(10 ** (level_db / 20) / np.sqrt(max(power(wave), SILENCE)))
            names.append(name)
        facts["noises"] = names
        return total

    def _one_noise(
        self, split: str, samples: int, rng: np.random.Generator, speaker: str
    ) -> tuple[Wave, str]:
        recipe = self.recipe
        speed = float(rng.uniform(*recipe.speed)) ** 2
        length = stretched_length(samples, speed)
        kind = float(rng.random())
        if kind < recipe.babble:
            voices = int(rng.integers(3, 9))
            wave, name = self._babble(split, length, voices, rng, speaker), f"babble of {voices}"
        elif kind < recipe.babble + recipe.computed:
            wave, name = computed_noise(length, recipe.rate, rng), "computed"
        else:
            excerpt = self.sounds.noise(split, length, rng)
            wave, name = excerpt.wave, f"{excerpt.group}/{excerpt.source}"
        curve = equaliser(rng, samples // 2 + 1, recipe.rate, recipe.equalise_db)
        return reshape_sound(wave, samples, curve), name

    def _babble(
        self, split: str, samples: int, voices: int, rng: np.random.Generator, speaker: str
    ) -> Wave:
        total = np.zeros(samples, np.float32)
        for _ in range(voices):
            excerpt = self.sounds.speech(split, samples, rng)
            if excerpt.group != speaker:
                total += excerpt.wave / np.float32(np.sqrt(max(power(excerpt.wave), SILENCE)))
        return total


def _times(wave: Wave, gain: np.float32) -> Wave:
    return (wave * gain).astype(np.float32, copy=False)
