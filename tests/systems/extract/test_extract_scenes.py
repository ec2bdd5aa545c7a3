"""Scenes: who is in them, at which ratios, with which labels; an index is all they need."""

import csv
import multiprocessing
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from little_scenes import RECIPE, SOUNDS, list_hash, make

from wellposed.data import audio
from wellposed.data.corpus import open_corpus
from wellposed.data.keyed import generator
from wellposed.data.mixing import active_power
from wellposed.data.sounds import CorpusSounds, SyntheticSounds
from wellposed.data.voices import Recording, Speaker
from wellposed.engine.recipe import parse
from wellposed.errors import DataError, RecipeError
from wellposed.systems.extract.cast import Cast
from wellposed.systems.extract.kinds import SCENARIOS, layout
from wellposed.systems.extract.recipe import ExtractRecipe
from wellposed.systems.extract.scenes import ExtractScenes, Scene


@cache
def some(split: str = "train", count: int = 24) -> tuple[Scene, ...]:
    return tuple(make().scene(split, index) for index in range(count))


def test_the_validation_list_is_the_same_for_any_worker_count_and_pass_and_process():
    first = list_hash(0)
    assert {list_hash(workers) for workers in (0, 2, 4, 2)} == {first}
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=spawn) as pool:  # one that stays, asked twice
        assert {pool.submit(list_hash, 2).result() for _ in range(2)} == {first}


def test_every_block_has_its_counts_and_the_index_alone_says_which():
    kinds = [scene.facts["kind"] for scene in some()]
    for at in range(0, len(kinds), 8):
        assert Counter(kinds[at : at + 8]) == {"present": 5, "partial": 1, "absent": 2}
    assert kinds[:8] == kinds[8:16] == list(layout(5, 1, 2))


def test_validation_goes_through_every_scenario():
    assert [scene.facts["scenario"] for scene in some("valid", 8)] == [s.name for s in SCENARIOS]
    for scene, scenario in zip(some("valid", 8), SCENARIOS, strict=True):
        assert len(scene.interferers) == scenario.interferers
        own, *others = scene.facts["genders"]
        if scenario.gender == "same":
            assert set(others) == {own}
        if scenario.gender == "other":
            assert own not in others


def test_the_mixture_is_the_sum_of_its_parts_at_the_drawn_ratios():
    checked = 0
    for scene in some():
        rest = scene.mixture - scene.target - scene.interferers.sum(0)
        if "noise" not in scene.facts:
            assert np.abs(rest).max() < 1e-6
        if "sir_db" in scene.facts:
            checked += 1
            ratio = active_power(scene.target, 8000) / active_power(scene.interferers.sum(0), 8000)
            assert 10 * np.log10(ratio) == pytest.approx(scene.facts["sir_db"], abs=0.01)
        if "snr_db" in scene.facts and scene.target.any():
            ratio = active_power(scene.target, 8000) / active_power(rest, 8000)
            assert 10 * np.log10(ratio) == pytest.approx(scene.facts["snr_db"], abs=0.05)
    assert checked > 5


def test_a_target_is_silent_outside_its_span_and_heard_inside():
    kinds = Counter()
    for scene in some():
        first, last = scene.span
        kinds[scene.facts["kind"]] += 1
        assert not scene.target[:first].any()
        assert not scene.target[last:].any()
        assert scene.target.any() == (last > first) == (scene.facts["kind"] != "absent")
        if scene.facts["kind"] == "partial":
            assert 0.2 * 8000 < last - first < 8000
    assert len(kinds) == 3


def test_nobody_is_both_target_and_interferer_and_nobody_is_there_twice():
    for scene in some():
        names = [scene.facts["target"], *scene.facts["interferers"]]
        assert len(set(names)) == len(names)


def test_enrolments_keep_to_their_length_and_come_from_another_utterance():
    for scene in some():
        assert 0.5 <= scene.facts["enrol_seconds"] <= 3.01
        assert len(scene.enrolment) == round(scene.facts["enrol_seconds"] * 8000)
        assert scene.facts["enrolment"] == "another utterance"
        assert scene.facts["enrol_recording"] != scene.facts["spoken_recording"]
        assert scene.enrolment.any()


class OneEach:
    """Speakers with one recording each: a ramp, so that every sample tells where it was."""

    rate, digest = 8000, "one each"

    def speakers(self, split):
        return tuple(Speaker(n, "", (Recording(n, n, 4.0),)) for n in ("a", "b"))

    def recorded(self, recording):
        return np.linspace(0.1, 1.0, 32000, dtype=np.float32)

    def clean(self, recording):
        return True

    def noise_wave(self, split, samples, rng):
        return rng.standard_normal(samples).astype(np.float32)


def test_one_recording_is_divided_between_scene_and_enrolment_without_a_common_sample():
    cast = Cast(OneEach(), "train")
    for draw in range(20):
        role = cast.target(0.5 + 0.1 * draw, "any", generator(0, draw))
        assert role.source == "disjoint part"
        spoken, enrolled = role.spoken, role.enrolled
        assert enrolled.last <= spoken.first or spoken.last <= enrolled.first
        assert enrolled.last - enrolled.first >= 4000


def test_a_crop_whose_target_is_silent_is_labelled_absent():
    class Mute(OneEach):
        def recorded(self, recording):
            wave = np.zeros(32000, np.float32)
            wave[:8000] = 0.1  # only the enrolment can be heard, where it comes first
            wave[-8000:] = 0.1 if recording.speaker == "b" else 0.0
            return wave

    kinds = Counter()
    for index in range(40):
        scene = make(Mute(), interferers=(0.0, 1.0)).scene("train", index)
        kinds[scene.facts["kind"], scene.facts["scenario"]] += 1
        assert scene.target.any() == (scene.facts["kind"] != "absent")
    assert kinds["absent", "absent (silent crop)"] > 0


@pytest.mark.parametrize("rate", [8000, 16000, 48000])
def test_one_recipe_serves_every_rate(rate):
    sounds = SyntheticSounds(rate)
    scene = make(sounds, rate=rate, seconds=0.5).scene("train", 0)
    assert scene.mixture.shape == scene.target.shape == (rate // 2,)
    assert scene.facts["target"] == make(seconds=0.5).scene("train", 0).facts["target"]


def test_overlap_of_nothing_leaves_the_target_alone():
    scene = make(overlap=(0.0, 0.0), interferers=(0.0, 1.0), present=1, partial=0, absent=0)
    assert scene.scene("train", 1).facts["overlap"] <= 1 / 8000


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A plain folder: a speaker is a folder of two recordings."""
    root = tmp_path_factory.mktemp("voices")
    for speaker in range(8):
        for take in range(2):
            wave = SOUNDS.recorded(Recording("", f"{speaker} take {take}", 6.0))[None]
            audio.write(root / f"p{speaker}" / f"{take}.wav", wave[:, :16000], 8000)
    return root


def test_a_folder_of_speakers_will_do(folder):
    sounds = CorpusSounds(open_corpus(folder), 8000)
    scene = make(sounds).scene("train", 0)
    assert scene.facts["target"].startswith("p")
    assert scene.facts["target"] not in scene.facts["interferers"]


def test_a_manifest_may_say_the_gender(folder, tmp_path):
    rows = [
        {"path": str(path.relative_to(folder)), "split": "train", "kind": "speech",
         "speaker": path.parent.name, "gender": "Female" if path.parent.name < "p4" else "m"}
        for path in sorted(folder.rglob("*.wav"))
    ]  # fmt: skip
    manifest = folder / "manifest.csv"
    with manifest.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    scenes = make(CorpusSounds(open_corpus(manifest), 8000), gender="other", interferers=(0, 1))
    manifest.unlink()
    for index in range(8):
        own, other = scenes.scene("train", index).facts["genders"]
        assert {own, other} == {"f", "m"}


def test_one_speaker_is_too_few_and_told_so():
    class Alone(OneEach):
        def speakers(self, split):
            return super().speakers(split)[:1]

    with pytest.raises(DataError, match="1 speakers, of whom 1"):
        make(Alone()).scene("train", 0)


def test_a_batch_that_cuts_blocks_is_refused():
    with pytest.raises(RecipeError, match="its counts would not be fixed"):
        parse(ExtractRecipe, {"training": {"batch_size": 6}}, "here")


def test_real_speech_makes_scenes(shared_data):
    sounds = CorpusSounds(open_corpus(shared_data), 16000, 256, 25.0)
    scenes = ExtractScenes(RECIPE.model_copy(update={"rate": 16000}), sounds, 3)
    for index in range(3):
        scene = scenes.scene("test", index)
        assert scene.facts["target"] not in scene.facts["interferers"]
        assert scene.target.any() == (scene.facts["kind"] != "absent")
