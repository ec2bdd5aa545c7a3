"""The census as a whole: exit status, text, JSON, and the real corpus."""

import json
import time

import numpy as np
import pytest

from wellposed.data import audio
from wellposed.data.census import census, run_census
from wellposed.errors import DataError

RATE = 16_000


@pytest.fixture
def folder(tmp_path, voice):
    for at in range(4):
        audio.write(tmp_path / f"speaker{at}/1.flac", voice(at, 3.0), RATE)
    return tmp_path


def test_a_healthy_folder_exits_with_0_and_a_broken_one_with_1(folder, capsys):
    assert run_census(folder) == 0
    assert "0 errors, 0 warnings, 0 notes" in capsys.readouterr().out
    audio.write(folder / "speaker0/2.wav", np.zeros((1, RATE), np.float32), RATE)
    assert run_census(folder) == 1
    out = capsys.readouterr().out
    assert "error silent: speaker0/2.wav: nothing is above -60 dB" in out
    assert "1 error, 0 warnings" in out


def test_the_table_has_a_line_for_each_kind_and_split(folder, capsys):
    run_census(folder)
    lines = capsys.readouterr().out.splitlines()
    rows = {tuple(line.split()[:4]) for line in lines if line.startswith("speech")}
    assert {(split, files, groups) for _, split, files, groups in rows} <= {
        (split, n, n) for split in ("train", "valid", "test") for n in "12"
    }
    assert len(rows) == 3


def test_json_holds_every_file_and_problem_and_no_infinity(folder, capsys):
    audio.write(folder / "speaker0/2.wav", np.zeros((1, RATE), np.float32), RATE)
    assert run_census(folder, json=True) == 1
    whole = json.loads(capsys.readouterr().out)
    assert [file["path"] for file in whole["files"]] == [
        *("speaker0/1.flac", "speaker0/2.wav", "speaker1/1.flac", "speaker2/1.flac"),
        "speaker3/1.flac",
    ]
    assert whole["files"][1]["level_db"] is None
    assert whole["files"][0]["seconds"] == 3.0
    assert [problem["code"] for problem in whole["problems"]] == ["silent"]


def test_a_folder_too_small_to_split_is_looked_at_all_the_same(tmp_path, voice):
    audio.write(tmp_path / "ann/1.flac", voice(0, 3.0), RATE)
    [problem] = census(tmp_path).problems
    assert (problem.level, problem.code) == ("warning", "corpus")
    assert "found ann, wanted at least 3 speakers" in problem.text


def test_a_folder_without_audio_is_an_error(tmp_path):
    with pytest.raises(DataError, match="no audio files"):
        census(tmp_path)


def test_long_lists_are_shortened_in_the_text(folder, capsys):
    for at in range(20):
        audio.write(folder / f"speaker1/silent{at}.wav", np.zeros((1, 10 + at), np.float32), RATE)
    run_census(folder)
    assert "error silent: 8 more like these" in capsys.readouterr().out


@pytest.mark.slow
def test_the_real_corpus_takes_seconds_and_shows_its_one_leak_and_no_false_alarm(shared_data):
    start = time.process_time()
    result = census(shared_data)
    assert time.process_time() - start < 60  # 10 to 17 s of one core
    assert len(result.entries) == 1_082
    # Two clips of the juicer "M2" (test) are samples of "M-presseAgrume" (train): their
    # correlation at a shift of 2.000 and 3.000 s is 0.9999999.
    assert {problem.files for problem in result.errors} == {
        (
            "noise/kitchen_juicer/3_M2_A_9.flac",
            "noise/kitchen_juicer/3_M_presseAgrume_wav_A_9.flac",
        ),
        (
            "noise/kitchen_juicer/3_M2_B_9.flac",
            "noise/kitchen_juicer/3_M_presseAgrume_wav_B_9.flac",
        ),
    }
    # Every other shared recording is known: 48 kHz copies, pairs of clean, noisy and enhanced,
    # and overlapping segments of one storm.
    for problem in result.problems:
        if problem.code == "same-recording" and problem.level == "note":
            stems = {path.rpartition("/")[2] for path in problem.files}
            assert len(stems) == 1 or all("storm" in stem for stem in stems)
    assert {problem.code for problem in result.problems if problem.level == "warning"} == {"offset"}
