"""Faults that an extraction system was published with, each as a test of this one.

Here are those that have no better place. The others: loss in absolute decibels, class means by
piece, silence and passing (test_extract_objective); level by a ratio of powers (losses); where an
anchor settles (cli/test_audit_extract); weights that are validated and used (engine/
test_validation); interferers, silent crops, ratios, any number of workers (test_extract_scenes);
attenuation scene by scene, failures counted (test_extract_training, metrics); levels and empty
enrolments (test_extract_model); tensors without code (engine/test_modelfile).
"""

from dataclasses import dataclass

import numpy as np
import pytest
from little_extractor import little_recipe
from little_scenes import RECIPE, SOUNDS, make

from wellposed.data.mixing import Wave
from wellposed.data.voices import Recording, Speaker
from wellposed.metrics.table import score_pair
from wellposed.systems.extract.scenes import ExtractScenes
from wellposed.systems.extract.system import ExtractSystem

RATE = 8000


@dataclass
class Tones:
    """Three speakers, each a tone of its own in two recordings."""

    rate: int = RATE
    digest: str = "tones"

    def speakers(self, split: str) -> tuple[Speaker, ...]:
        return tuple(
            Speaker(f"{hz}", "", tuple(Recording(f"{hz}", f"{hz} {take}", 4.0) for take in (0, 1)))
            for hz in (300, 500, 900)
        )

    def recorded(self, recording: Recording) -> Wave:
        time = np.arange(4 * RATE) / RATE
        return (0.3 * np.sin(2 * np.pi * float(recording.speaker) * time)).astype(np.float32)

    def clean(self, recording: Recording) -> bool:
        return True

    def noise_wave(self, split: str, samples: int, rng: np.random.Generator) -> Wave:
        return np.zeros(samples, np.float32)


def pitch(wave: Wave) -> float:
    spectrum = np.abs(np.fft.rfft(wave * np.hanning(len(wave)), 1 << 16))
    return float(np.argmax(spectrum)) * RATE / (1 << 16)


def test_the_enrolment_is_played_at_the_speed_of_the_target():
    recipe = RECIPE.model_copy(
        update={"speed": (0.8, 1.25), "noise": 0.0, "room": 0.0, "enrol_noise": 0.0,
                "enrol_room": 0.0, "equalise_db": 0.0, "enrol_seconds": (1.0, 1.5)}
    )  # fmt: skip
    seen = set()
    for index in range(10):
        scene = ExtractScenes(recipe, Tones(), 3).scene("train", index)
        if scene.span[1] == 0:
            continue
        wanted = float(scene.facts["target"]) * scene.facts["speed"]
        # Lengths are rounded to what is quick to transform: within a quarter tone, 3 %.
        assert pitch(scene.enrolment) == pytest.approx(wanted, rel=0.03)
        assert pitch(scene.target) == pytest.approx(wanted, rel=0.03)
        seen.add(round(scene.facts["speed"], 3))
    assert len(seen) > 3


def test_speakers_of_the_splits_are_apart_and_validation_enrolments_are_like_those_of_training():
    names = {
        split: {each.name for each in SOUNDS.speakers(split)}
        for split in ("train", "valid", "test")
    }
    for one, other in (("train", "valid"), ("train", "test"), ("valid", "test")):
        assert not names[one] & names[other]
    facts = [make().scene("valid", index).facts for index in range(40)]
    assert {each["target"] for each in facts} <= names["valid"]
    assert any(each["enrol_snr_db"] is not None for each in facts)
    assert any(each["enrol_room"] for each in facts)
    assert any(each["enrol_snr_db"] is None and not each["enrol_room"] for each in facts)


def test_an_estimate_is_not_scored_against_a_reference_of_another_length():
    wave = np.random.default_rng(0).standard_normal(800).astype(np.float32)
    with pytest.raises(AssertionError, match="700"):
        score_pair(reference=wave, estimate=wave[:700], noisy=wave, rate=RATE, names=["si_sdr_db"])


def test_what_is_scored_is_the_target_of_the_same_mixture():
    system = ExtractSystem(little_recipe())
    for index in range(8):
        item, scene = system.item("valid", index), system.scenes.scene("valid", index)
        rest = item["mixture"] - item["target"] - item["interferers"].sum(0)
        if "noise" not in scene.facts:
            assert rest.abs().max() < 1e-6
        # A crop of its own would leave the whole target in the mixture.
        assert rest.square().mean() <= item["mixture"].square().mean()
