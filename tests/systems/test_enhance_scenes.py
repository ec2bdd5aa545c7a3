"""Scenes: a pure function of (seed, split, index), with the ratio and the level that were drawn.

Ratios and levels are measured here from the waveforms alone, by the definition: the mean power of
the 20 ms frames within 30 dB of the loudest.
"""

import hashlib
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from wellposed.data.corpus import open_corpus
from wellposed.data.sounds import CorpusSounds, Excerpt, SyntheticSounds
from wellposed.systems.enhance.recipe import Scenes
from wellposed.systems.enhance.scenes import PEAK, EnhanceScenes, Scene

RECIPE = Scenes(rate=8000, seconds=1.0, validation_seconds=1.5)
SPLITS = ("train", "valid", "test")


SOUNDS = SyntheticSounds(8000)
"""Shared, because making the takes costs most of a scene."""


def make(recipe: Scenes = RECIPE, seed: int = 3) -> EnhanceScenes:
    return EnhanceScenes(recipe, SOUNDS, seed)


def fresh() -> EnhanceScenes:
    return EnhanceScenes(RECIPE, SyntheticSounds(8000), 3)


@cache
def some(split: str = "train", count: int = 40) -> tuple[Scene, ...]:
    scenes = make()
    return tuple(scenes.scene(split, index) for index in range(count))


def bits(scene: Scene) -> str:
    total = hashlib.sha256(scene.noisy.tobytes() + scene.clean.tobytes())
    total.update(repr(sorted(scene.facts.items())).encode())
    return total.hexdigest()


def active_power(wave: np.ndarray, rate: int) -> float:
    size = round(0.02 * rate)
    frames = [wave[at : at + size] for at in range(0, len(wave) - size + 1, size)]
    powers = [float(np.mean(frame.astype(np.float64) ** 2)) for frame in frames]
    kept = [power for power in powers if power >= max(powers) / 1000]
    return sum(kept) / len(kept)


def test_a_scene_has_its_length_and_precision():
    for split, samples in (("train", 8000), ("valid", 12000), ("test", 12000)):
        scene = make().scene(split, 0)
        assert scene.noisy.shape == scene.clean.shape == (samples,)
        assert scene.noisy.dtype == scene.clean.dtype == np.float32
        assert np.isfinite(scene.noisy).all()
        assert np.isfinite(scene.clean).all()


def test_a_scene_does_not_depend_on_the_order_of_scenes():
    scenes = fresh()
    backward = [bits(scenes.scene("train", index)) for index in reversed(range(5))]
    assert backward[::-1] == [bits(scene) for scene in some()[:5]]


def test_a_scene_does_not_depend_on_threads():
    scenes = fresh()
    with ThreadPoolExecutor(4) as pool:
        made = list(pool.map(lambda index: bits(scenes.scene("train", index)), range(5)))
    assert made == [bits(scene) for scene in some()[:5]]


def test_a_fresh_process_makes_the_same_scene():
    code = """
from wellposed.data.sounds import SyntheticSounds
from wellposed.systems.enhance.recipe import Scenes
from wellposed.systems.enhance.scenes import EnhanceScenes
import hashlib
recipe = Scenes(rate=8000, seconds=1.0, validation_seconds=1.5)
scene = EnhanceScenes(recipe, SyntheticSounds(8000), 3).scene("train", 5)
total = hashlib.sha256(scene.noisy.tobytes() + scene.clean.tobytes())
total.update(repr(sorted(scene.facts.items())).encode())
print(total.hexdigest())
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONHASHSEED": "1", "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == bits(some()[5])


def test_seed_split_and_number_each_make_another_scene():
    scenes = make(Scenes(rate=8000, seconds=1.0, validation_seconds=1.0))
    other = make(Scenes(rate=8000, seconds=1.0, validation_seconds=1.0), seed=4)
    made = [scenes.scene("train", 0), scenes.scene("train", 1), scenes.scene("valid", 0)]
    made += [scenes.scene("test", 0), other.scene("train", 0)]
    assert len({bits(scene) for scene in made}) == len(made)


def test_the_ratio_of_speech_to_noise_is_the_one_drawn():
    measured = 0
    for scene in some():
        noise = scene.noisy - scene.clean
        if scene.facts["absent"] or not scene.facts["noises"]:
            continue
        ratio = active_power(scene.clean, RECIPE.rate) / active_power(noise, RECIPE.rate)
        assert 10 * np.log10(ratio) == pytest.approx(scene.facts["snr_db"], abs=0.1)
        assert RECIPE.snr_db[0] <= 10 * np.log10(ratio) + 0.1
        measured += 1
    assert measured > 25


def test_the_level_of_the_mixture_is_the_one_drawn_or_as_loud_as_fits():
    limited = 0
    loud = make(Scenes(rate=8000, seconds=1.0, level_dbfs=(-45.0, -3.0)))
    for index in range(40):
        scene = loud.scene("train", index)
        if not scene.noisy.any():
            continue
        level_db = 10 * np.log10(np.mean(scene.noisy.astype(np.float64) ** 2))
        peak = np.abs(scene.noisy).max()
        assert peak <= PEAK * (1 + 1e-6)
        if peak > PEAK * (1 - 1e-6):
            limited += 1
            assert level_db <= scene.facts["level_dbfs"]
        else:
            assert level_db == pytest.approx(scene.facts["level_dbfs"], abs=1e-3)
    assert 3 < limited < 30


def test_levels_and_ratios_fill_their_ranges():
    for name, (low, high) in (("snr_db", RECIPE.snr_db), ("level_dbfs", RECIPE.level_dbfs)):
        drawn = [float(str(scene.facts[name])) for scene in some()]
        assert low <= min(drawn) < low + (high - low) / 5
        assert high - (high - low) / 5 < max(drawn) <= high


def test_the_speakers_of_different_splits_are_disjoint():
    speakers = [{scene.facts["speaker"] for scene in some(split)[:20]} for split in SPLITS]
    assert not speakers[0] & speakers[1]
    assert not speakers[0] & speakers[2]
    assert not speakers[1] & speakers[2]


def test_a_scene_without_speech_has_a_silent_target_and_sounding_noise():
    scenes = make(Scenes(rate=8000, seconds=1.0, absent=1.0, noises=(0.0, 1.0)))
    for index in range(10):
        scene = scenes.scene("train", index)
        assert scene.facts["absent"]
        assert not scene.clean.any()
        assert scene.noisy.any()


def test_a_scene_without_speech_and_noise_is_exact_silence():
    scene = make(Scenes(rate=8000, seconds=1.0, absent=1.0, noises=(1.0,))).scene("train", 0)
    assert not scene.noisy.any()
    assert not scene.clean.any()


def test_a_scene_without_noise_is_its_own_target():
    scenes = make(Scenes(rate=8000, seconds=1.0, absent=0.0, noises=(1.0,)))
    for index in range(5):
        scene = scenes.scene("train", index)
        assert scene.clean.any()
        assert (scene.noisy == scene.clean).all()


class Listed:
    """Speech of two speakers as signals that can be told apart: speaker a at 500 Hz, b at 1 kHz."""

    rate = 8000
    digest = "listed"

    def speech(self, split: str, samples: int, rng: np.random.Generator) -> Excerpt:
        number = int(rng.integers(2))
        time = np.arange(samples) / self.rate
        wave = np.sin(2 * np.pi * 500 * (number + 1) * time).astype(np.float32)
        return Excerpt(0.1 * wave, "ab"[number], "tone")

    def noise(self, split: str, samples: int, rng: np.random.Generator) -> Excerpt:
        return Excerpt(rng.standard_normal(samples).astype(np.float32), "hiss", "white")

    def room(self, split: str, rng: np.random.Generator) -> np.ndarray:
        return np.ones(1, np.float32)


def test_the_shares_of_absent_speech_rooms_and_noises_are_those_of_the_recipe():
    recipe = Scenes(rate=8000, seconds=0.1, absent=0.3, room=0.5, noises=(1.0, 2.0, 1.0))
    scenes = EnhanceScenes(recipe, Listed(), 0)
    drawn = [scenes.scene("train", index).facts for index in range(400)]
    # Standard deviation of a share of 400: at most 0.025; four of them.
    assert np.mean([bool(facts["absent"]) for facts in drawn]) == pytest.approx(0.3, abs=0.1)
    assert np.mean([bool(facts["room"]) for facts in drawn]) == pytest.approx(0.5, abs=0.1)
    counts = [len(names) for facts in drawn if isinstance(names := facts["noises"], list)]
    shares = [counts.count(number) / 400 for number in range(3)]
    assert shares == pytest.approx([0.25, 0.5, 0.25], abs=0.1)


def test_babble_never_holds_the_target_speaker():
    recipe = Scenes(
        rate=8000,
        seconds=1.0,
        babble=1.0,
        computed=0.0,
        absent=0.0,
        noises=(0.0, 1.0),
        equalise_db=0.0,
        speed=(1.0, 1.0),
        level_dbfs=(-30.0, -30.0),
    )
    scenes, heard = EnhanceScenes(recipe, Listed(), 0), 0
    for index in range(30):
        scene = scenes.scene("train", index)
        noise = (
            np.abs(np.fft.rfft(scene.noisy - scene.clean)) / np.abs(np.fft.rfft(scene.clean)).max()
        )
        own, other = (500, 1000) if scene.facts["speaker"] == "a" else (1000, 500)
        assert noise[own] < 1e-4
        heard += int(noise[other] > 0.05)
    assert heard > 20


def test_with_a_real_corpus_the_ratio_level_and_splits_hold(shared_data: Path):
    recipe = Scenes(seconds=2.0, validation_seconds=2.0, absent=0.0)
    corpus = open_corpus(shared_data)
    split_of = {clip.group: clip.split for clip in corpus.clips if clip.kind == "speech"}
    scenes = EnhanceScenes(recipe, CorpusSounds(corpus, 16000, 256, 25.0), 0)
    for split in SPLITS:
        for index in range(6):
            scene = scenes.scene(split, index)
            assert split_of[str(scene.facts["speaker"])] == split
            assert np.isfinite(scene.noisy).all()
            if scene.facts["noises"] and not scene.facts["absent"]:
                noise = scene.noisy - scene.clean
                ratio = active_power(scene.clean, 16000) / active_power(noise, 16000)
                assert 10 * np.log10(ratio) == pytest.approx(scene.facts["snr_db"], abs=0.1)
    again = EnhanceScenes(recipe, CorpusSounds(corpus, 16000, 1, 25.0), 0)
    assert bits(again.scene("train", 3)) == bits(scenes.scene("train", 3))
