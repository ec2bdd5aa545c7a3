"""Audio files: what is read is whole and finite, what is written is complete."""

import math
import os
import subprocess
import sys

import numpy as np
import pytest
import soundfile

from wellposed.data import audio
from wellposed.errors import DataError


@pytest.fixture
def noise():
    return (0.1 * np.random.default_rng(0).standard_normal((2, 16_000))).astype(np.float32)


@pytest.mark.parametrize("suffix", [".wav", ".flac", ".aiff"])
def test_sixteen_bit_files_come_back_exactly(tmp_path, suffix):
    steps = np.random.default_rng(0).integers(-32_768, 32_768, (3, 500))
    waveform = (steps / 32_768).astype(np.float32)
    path = tmp_path / f"x{suffix}"
    assert audio.write(path, waveform, 16_000) == 0
    back, rate = audio.read(path)
    assert rate == 16_000
    assert back.dtype == np.float32
    np.testing.assert_array_equal(back, waveform)
    assert soundfile.info(path).subtype == "PCM_16"


def test_twenty_four_bit_and_float_files_come_back_exactly(tmp_path, noise):
    for subtype, expected in [("FLOAT", noise), ("PCM_24", np.rint(noise * 2**23) / 2**23)]:
        audio.write(tmp_path / "x.wav", noise, 44_100, subtype=subtype)
        np.testing.assert_array_equal(audio.read(tmp_path / "x.wav")[0], expected)


@pytest.mark.parametrize("suffix", [".ogg", ".mp3"])
def test_lossy_files_are_read_at_the_same_length_and_level(tmp_path, noise, suffix):
    audio.write(tmp_path / f"x{suffix}", noise, 16_000)
    back, _ = audio.read(tmp_path / f"x{suffix}")
    assert back.shape == noise.shape
    assert 20 * math.log10(back.std() / noise.std()) == pytest.approx(0, abs=1.5)


def test_samples_over_full_scale_are_limited_and_counted_and_never_wrap(tmp_path):
    waveform = np.array([[1.5, -1.5, 1.0, -1.0, 0.5]], np.float32)
    assert audio.write(tmp_path / "x.wav", waveform, 8_000) == 2
    steps, _ = soundfile.read(tmp_path / "x.wav", dtype="int16")
    np.testing.assert_array_equal(steps, [32_767, -32_768, 32_767, -32_768, 16_384])
    assert audio.write(tmp_path / "x.wav", waveform, 8_000, subtype="FLOAT") == 0
    np.testing.assert_array_equal(audio.read(tmp_path / "x.wav")[0], waveform)


def test_a_part_of_a_file_is_the_same_as_that_part_of_the_whole(tmp_path, noise):
    audio.write(tmp_path / "x.flac", noise, 16_000)
    whole, _ = audio.read(tmp_path / "x.flac")
    part, _ = audio.read(tmp_path / "x.flac", start=5_000, frames=700)
    np.testing.assert_array_equal(part, whole[:, 5_000:5_700])
    np.testing.assert_array_equal(
        np.concatenate(list(audio.blocks(tmp_path / "x.flac", 999)), axis=1), whole
    )


def test_a_range_outside_the_file_is_an_error_that_says_its_length(tmp_path, noise):
    audio.write(tmp_path / "x.flac", noise, 16_000)
    for start, frames in [(15_999, 2), (-1, 5), (0, 0), (16_000, None)]:
        with pytest.raises(DataError, match=r"has 16000 \(1\.000 s"):
            audio.read(tmp_path / "x.flac", start=start, frames=frames)


def test_a_path_that_is_no_audio_file_is_an_error_that_names_it(tmp_path):
    (tmp_path / "empty.wav").write_bytes(b"")
    (tmp_path / "text.flac").write_text("hello")
    soundfile.write(tmp_path / "header.wav", np.zeros(0), 16_000)
    for name, problem in [
        ("missing.wav", "no such file"),
        (".", "this is a folder"),
        ("empty.wav", "0 bytes"),
        ("text.flac", "cannot be decoded"),
        ("header.wav", "no samples"),
    ]:
        with pytest.raises(DataError, match=problem) as caught:
            audio.inspect(tmp_path / name)
        assert str(tmp_path / name) in str(caught.value)


@pytest.mark.parametrize(
    "suffix",
    [".wav", ".flac", ".ogg", ".opus", ".mp3", ".aiff", ".aifc", ".au", ".caf", ".w64", ".rf64"],
)
@pytest.mark.parametrize("share", [0.3, 0.6, 0.95])
def test_a_file_cut_in_the_middle_is_never_read_as_a_shorter_one(tmp_path, noise, suffix, share):
    path = tmp_path / f"x{suffix}"
    audio.write(path, noise, 16_000)
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(DataError, match=r"truncated|damaged or cut off"):
        audio.read(path)
    with pytest.raises(DataError, match=r"truncated|damaged or cut off"):
        list(audio.blocks(path, 1_000))


def test_broken_samples_are_counted_and_the_first_is_placed(tmp_path, noise):
    noise[1, 8_000] = np.nan
    noise[0, 12_000] = np.inf
    soundfile.write(tmp_path / "x.wav", noise.T, 16_000, subtype="FLOAT")
    with pytest.raises(DataError, match=r"2 of 32000 samples are NaN or infinite.* at 0\.500 s"):
        audio.read(tmp_path / "x.wav")
    with pytest.raises(DataError, match=r"1 of 8000 .* at 0\.750 s"):
        audio.read(tmp_path / "x.wav", start=10_000, frames=4_000)
    assert audio.read(tmp_path / "x.wav", frames=8_000)[0].shape == (2, 8_000)
    assert sum(b.shape[1] for b in audio.blocks(tmp_path / "x.wav", allow_nonfinite=True)) == 16_000


def test_what_cannot_be_written_leaves_the_folder_and_the_old_file_alone(tmp_path, noise):
    path = tmp_path / "x.wav"
    audio.write(path, noise, 16_000)
    before = path.read_bytes()
    for waveform, rate, subtype, problem in [
        (noise * np.nan, 16_000, None, "NaN"),
        (noise[:, :0], 16_000, None, "no samples"),
        (noise, 16_000, "VORBIS", "no subtype"),
        (noise, -1, None, "cannot be written"),
    ]:
        with pytest.raises(DataError, match=problem):
            audio.write(path, waveform, rate, subtype=subtype)
    with pytest.raises(DataError, match="suffix"):
        audio.write(tmp_path / "x.xyz", noise, 16_000)
    with pytest.raises(DataError, match="cannot be written"):
        audio.write(path / "below_a_file.wav", noise, 16_000)
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["x.wav"]


def test_a_full_disk_leaves_no_partial_file(tmp_path):
    # A limit on file sizes fails like a full disk: write() returns an error in the middle.
    code = f"""
import signal, resource, numpy as np
from wellposed.data import audio
from wellposed.errors import DataError
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
try:
    audio.write({str(tmp_path / "x.wav")!r}, np.zeros((1, 100_000), np.float32), 16_000)
except DataError as error:
    print("refused", error)
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.startswith("refused")
    assert "free space" in done.stdout
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    ("before", "after"), [(48_000, 16_000), (44_100, 16_000), (16_000, 24_000)]
)
@pytest.mark.parametrize("frames", [1, 7, 1_000, 44_101])
def test_resampling_gives_the_rounded_length(before, after, frames):
    waveform = np.random.default_rng(0).standard_normal((2, 3, frames)).astype(np.float32)
    changed = audio.resample(waveform, before, after)
    assert changed.shape == (2, 3, math.floor(frames * after / before + 0.5))
    assert changed.dtype == np.float32


def test_resampling_keeps_a_tone_in_place_and_removes_what_does_not_fit():
    time_48, time_16 = np.arange(48_000) / 48_000, np.arange(16_000) / 16_000
    tones = np.stack([np.sin(2 * np.pi * f * time_48) for f in (1_000.0, 9_000.0)])
    changed = audio.resample(tones, 48_000, 16_000)[:, 1_000:-1_000]
    expected = np.sin(2 * np.pi * 1_000.0 * time_16)[1_000:-1_000]
    np.testing.assert_allclose(changed[0], expected, atol=1e-4)
    assert np.abs(changed[1]).max() < 1e-4


def test_equal_rates_change_nothing(noise):
    assert audio.resample(noise, 16_000, 16_000) is noise
