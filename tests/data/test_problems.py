"""Each rule of the census finds its fault, and only its fault."""

import numpy as np
import pytest
import soundfile

from wellposed.data import audio
from wellposed.data.census import census
from wellposed.data.fingerprint import Match
from wellposed.data.problems import _groups

RATE = 16_000


@pytest.fixture
def healthy(tmp_path, voice):
    """Three speakers and three noises, one of each in each split."""
    for at, split in enumerate(("train", "valid", "test")):
        audio.write(tmp_path / f"{split}/speech/speaker{at}/1.flac", voice(at, 3.0), RATE)
        audio.write(tmp_path / f"{split}/noise/noise{at}/1.wav", voice(10 + at, 3.0), RATE)
    return tmp_path


def found(root, level="error"):
    return [problem for problem in census(root).problems if problem.level == level]


def only(root, level="error"):
    [problem] = [problem for problem in census(root).problems if problem.level != "note"]
    assert problem.level == level
    return problem


def test_a_healthy_folder_has_no_problems_at_all(healthy):
    assert census(healthy).problems == ()


def test_clipping_is_found(healthy, voice):
    audio.write(healthy / "train/speech/speaker0/2.wav", (voice(20, 3.0) * 4).clip(-0.8, 0.8), RATE)
    problem = only(healthy, "warning")
    assert (problem.code, problem.files) == ("clipped", ("train/speech/speaker0/2.wav",))
    assert "peak of 0.800" in problem.text


def test_nan_in_a_float_wav_is_found(healthy, voice):
    signal = voice(20, 3.0)[0]
    signal[4_000] = np.nan
    path = healthy / "train/speech/speaker0/2.wav"
    soundfile.write(path, signal, RATE, subtype="FLOAT")
    problem = only(healthy)
    assert problem.code == "nonfinite"
    assert problem.text == "1 samples are NaN or infinite, first at 0.250 s"


def test_a_truncated_flac_and_a_file_that_is_no_audio_are_found(healthy):
    path = healthy / "train/speech/speaker0/1.flac"
    path.write_bytes(path.read_bytes()[:20_000])
    (healthy / "test/noise/noise2/2.ogg").write_text("no audio")
    assert [problem.code for problem in found(healthy)] == ["unreadable"] * 2
    assert {problem.files[0] for problem in found(healthy)} == {
        "train/speech/speaker0/1.flac",
        "test/noise/noise2/2.ogg",
    }


def test_silence_is_found(healthy):
    audio.write(healthy / "train/noise/noise0/2.wav", np.zeros((1, RATE), np.float32), RATE)
    assert only(healthy).code == "silent"


def test_a_constant_offset_is_found_by_its_share_of_the_power(healthy, voice):
    signal = voice(20, 3.0)
    deviation = float(signal.std())
    # Shares of 8 % and 12 % of the power: offset**2 / (offset**2 + deviation**2).
    for name, share in [("2.wav", 0.08), ("3.wav", 0.12)]:
        offset = deviation * (share / (1 - share)) ** 0.5
        quiet = 0.5 * voice(20 if name == "2.wav" else 21, 3.0)
        quiet = quiet / quiet.std() * deviation / 4 + offset / 4
        audio.write(healthy / f"train/noise/noise0/{name}", quiet.astype(np.float32), RATE)
    problem = only(healthy, "warning")
    assert (problem.code, problem.files) == ("offset", ("train/noise/noise0/3.wav",))
    assert "12% of the power" in problem.text


def test_identical_samples_are_an_error_across_splits_and_a_warning_within(healthy):
    content = (healthy / "train/speech/speaker0/1.flac").read_bytes()
    (healthy / "train/speech/speaker0/copy.flac").write_bytes(content)
    assert only(healthy, "warning").code == "duplicate"
    (healthy / "test/speech/speaker2/other.flac").write_bytes(content)
    problem = only(healthy)
    assert problem.code == "duplicate"
    assert problem.text.startswith("3 files have identical samples, in test and train")


def test_the_same_recording_quieter_at_another_rate_and_trimmed_is_found_across_splits(
    healthy, voice
):
    copy = audio.resample(0.1 * voice(0, 3.0)[:, RATE // 2 :], RATE, 24_000)
    audio.write(healthy / "test/speech/speaker2/copy.ogg", copy, 24_000)
    problem = only(healthy)
    assert problem.code == "same-recording"
    assert problem.files == ("test/speech/speaker2/copy.ogg", "train/speech/speaker0/1.flac")
    assert "in test and train" in problem.text


def test_the_same_recording_within_a_split_is_a_note(healthy, voice):
    audio.write(healthy / "train/speech/speaker0/noisy.flac", 0.5 * voice(0, 3.0), RATE)
    assert found(healthy) == []
    assert [problem.code for problem in found(healthy, "note")] == ["same-recording"]


def test_a_speaker_and_a_noise_in_two_splits_are_found(healthy, voice):
    audio.write(healthy / "test/speech/speaker0/2.flac", voice(20, 3.0), RATE)
    audio.write(healthy / "valid/noise/noise2/2.flac", voice(21, 3.0), RATE)
    problems = found(healthy)
    assert [problem.code for problem in problems] == ["crossing"] * 2
    assert {problem.text.split(" is in ")[0] for problem in problems} == {
        "the speaker 'speaker0'",
        "the noise source 'noise2'",
    }


def test_a_manifest_that_disagrees_with_its_files_is_found_and_unlisted_files_noted(healthy):
    rows = ["path,split,kind,speaker,sample_rate,duration_s,channels"]
    rows += [f"train/speech/speaker0/1.flac,train,speech,a,{RATE},3.0,1"]
    rows += ["valid/speech/speaker1/1.flac,valid,speech,b,8000,2.9,1", "table.npz,all,rir,,,,"]
    (healthy / "manifest.csv").write_text("\n".join(rows))
    assert [problem.text for problem in found(healthy)] == [
        "the manifest says 8000 Hz, the file has 16000 Hz",
        "the manifest says 2.9 s, the file has 3 s",
    ]
    assert [len(problem.files) for problem in found(healthy, "note")] == [1, 4]


def test_a_missing_file_is_found(healthy):
    (healthy / "manifest.csv").write_text("path,split,kind,speaker\ngone.flac,train,speech,a\n")
    [problem] = found(healthy)
    assert (problem.code, problem.files) == ("unreadable", ("gone.flac",))
    assert "no such file" in problem.text


def test_linked_matches_are_one_group_whatever_their_order():
    pairs = [(0, 1), (4, 5), (2, 3), (1, 2), (6, 4)]
    groups = _groups([Match(first, second, 0.0, 3.0, 0.0) for first, second in pairs])
    files = [sorted({at for m in group for at in (m.first, m.second)}) for group in groups]
    assert sorted(files) == [[0, 1, 2, 3], [4, 5, 6]]
