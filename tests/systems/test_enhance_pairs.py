"""Pairs from folders and scenes, and every way in which the two sides may not fit."""

import re

import numpy as np
import pytest

from wellposed.data.audio import write
from wellposed.errors import DataError
from wellposed.systems.enhance.pairs import FolderPairs, scene_pairs

WAVE = ((np.arange(800)[None] % 100 - 50) / 128).astype(np.float32)
HALF = (WAVE / 2).astype(np.float32)


def test_files_are_paired_by_name_in_order_whatever_their_format(tmp_path):
    for name in ("b/two", "one"):
        write(tmp_path / "clean" / f"{name}.flac", WAVE, 8000)
        write(tmp_path / "noisy" / f"{name}.wav", HALF, 8000)
    pairs = FolderPairs(tmp_path)
    assert len(pairs) == 2
    assert [pair.name for pair in pairs] == ["b/two", "one"]
    for pair in pairs:
        assert pair.rate == 8000
        np.testing.assert_array_equal(pair.clean, WAVE)
        np.testing.assert_array_equal(pair.noisy, HALF)


@pytest.mark.parametrize(
    ("noisy", "rate", "complaint"),
    [
        (WAVE[:, :-1], 8000, "length is 799 samples, that of .* is 800 samples"),
        (WAVE, 16000, "sample rate is 16000 Hz, that of .* is 8000 Hz"),
        (np.repeat(WAVE, 2, axis=0), 8000, "number of channels is 2, that of .* is 1"),
    ],
)
def test_a_pair_that_does_not_fit_is_an_error_before_any_work(tmp_path, noisy, rate, complaint):
    write(tmp_path / "clean" / "a.wav", WAVE, 8000)
    write(tmp_path / "noisy" / "a.wav", noisy, rate)
    with pytest.raises(DataError, match=complaint):
        FolderPairs(tmp_path)


@pytest.mark.parametrize(("side", "other"), [("clean", "noisy"), ("noisy", "clean")])
def test_a_file_without_partner_is_named(tmp_path, side, other):
    for folder in (side, other):
        write(tmp_path / folder / "a.wav", WAVE, 8000)
    write(tmp_path / side / "lonely.wav", WAVE, 8000)
    with pytest.raises(
        DataError, match=rf"without a partner in {other}/: 1, the first .*lonely\.wav"
    ):
        FolderPairs(tmp_path)


def test_two_files_of_one_name_are_an_error(tmp_path):
    for suffix in ("wav", "flac"):
        write(tmp_path / "clean" / f"a.{suffix}", WAVE, 8000)
    with pytest.raises(DataError, match=r"a\.wav: a\.flac has the same name"):
        FolderPairs(tmp_path)


def test_a_missing_or_empty_folder_says_what_is_expected(tmp_path):
    with pytest.raises(DataError, match="clean: no such folder; pairs are read from DIR/clean/"):
        FolderPairs(tmp_path)
    (tmp_path / "clean").mkdir()
    with pytest.raises(DataError, match="clean: no audio file in it"):
        FolderPairs(tmp_path)


def test_scenes_become_float32_with_a_channel_axis():
    mono, stereo = np.ones(5), np.ones((2, 5))
    first, second = scene_pairs([("a", mono, mono), ("b", stereo, stereo)], 16000)
    assert (first.name, first.noisy.shape, first.clean.dtype) == ("a", (1, 5), np.float32)
    assert (second.noisy.shape, second.rate) == ((2, 5), 16000)


def test_a_scene_with_unequal_sides_is_an_error():
    wanted = re.escape("a: noisy is (5,), clean is (4,)")
    with pytest.raises(DataError, match=wanted):
        list(scene_pairs([("a", np.ones(5), np.ones(4))], 16000))
