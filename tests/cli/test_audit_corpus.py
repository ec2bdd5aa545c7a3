"""What the audit says of a corpus: what is counted, and what is decoded of it."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from wellposed.cli.audit_corpus import corpus_part
from wellposed.data.census import sampled_census
from wellposed.engine.sections import Data

RATE = 16000


def write(path: Path, seed: int, gain: float = 0.1) -> None:
    """Two seconds of noise."""
    path.parent.mkdir(parents=True, exist_ok=True)
    wave = gain * np.random.default_rng(seed).standard_normal(2 * RATE)
    soundfile.write(path, np.clip(wave, -1, 1), RATE, "FLOAT")


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    for number, split in enumerate(("train", "valid", "test")):
        for take in range(3):
            seed = 10 * number + take
            write(tmp_path / split / "speech" / f"voice-{number}" / f"{take}.wav", seed)
            write(tmp_path / split / "noise" / f"place-{number}" / f"{take}.wav", 100 + seed)
    return tmp_path


def test_a_sound_corpus_is_told_with_how_much_of_it_was_looked_at(corpus):
    part = corpus_part(Data(path=corpus), quick=True)
    (answer,) = part.answers
    assert answer.word == "ok", answer.text
    assert "18 of 18 files decoded: levels -20 to -20 dB" in answer.text
    assert "none of 6 speakers, noise sources and rooms is in two splits" in answer.text
    assert part.numbers["corpus_files_decoded"] == 18


def test_a_copy_in_another_split_is_a_failure_and_named(corpus):
    write(corpus / "valid" / "speech" / "voice-1" / "9.wav", 0)
    (answer,) = corpus_part(Data(path=corpus), quick=True).answers
    assert answer.finding is not None
    assert (answer.finding.code, answer.finding.severity) == ("WP416", "FAIL")
    assert "identical samples" in answer.text


def test_clipped_files_are_a_warning_and_samples_that_are_none_a_failure(corpus):
    write(corpus / "train" / "noise" / "place-0" / "1.wav", 5, gain=3.0)
    broken = np.full(2 * RATE, 0.1, np.float32)
    broken[100] = np.nan
    soundfile.write(corpus / "train" / "noise" / "place-0" / "2.wav", broken, RATE, "FLOAT")
    part = corpus_part(Data(path=corpus), quick=True)
    codes = {each.finding.code: each.word for each in part.answers if each.finding}
    assert codes == {"WP417": "FAIL", "WP418": "WARN"}


def test_what_the_recipe_leaves_out_is_not_looked_at(corpus):
    write(corpus / "train" / "noise" / "place-9" / "1.wav", 5, gain=3.0)
    data = Data(path=corpus, exclude=("train/noise/place-9",))
    assert {e.word for e in corpus_part(data, quick=True).answers} == {"ok"}
    assert {e.word for e in corpus_part(Data(path=corpus), quick=True).answers} == {"WARN"}


def test_synthetic_sound_is_not_asked():
    (answer,) = corpus_part(Data(), quick=True).answers
    assert answer.word == "--"


def test_a_sample_of_files_is_the_same_every_time_and_counts_all_groups(corpus):
    first, second = (sampled_census(corpus, None, 5) for _ in range(2))
    assert first.entries == second.entries
    assert len(first.facts) == 5
