"""Streams of audio: the samples of the whole, in bounded memory, complete or absent."""

import os

import numpy as np
import pytest
import soundfile

from wellposed.data import audio, audio_stream
from wellposed.data.audio_stream import fine_subtype, resampled, writing
from wellposed.errors import DataError


@pytest.fixture
def noise():
    return (0.1 * np.random.default_rng(0).standard_normal((2, 50_000))).astype(np.float32)


def in_blocks(waveform, size):
    return (waveform[:, i : i + size] for i in range(0, waveform.shape[1], size))


@pytest.mark.parametrize(
    ("before", "after"),
    [(44_100, 16_000), (16_000, 44_100), (8_000, 16_000), (16_000, 11_025), (48_000, 16_000)],
)
@pytest.mark.parametrize("size", [1_000, 7_777, 50_000])
def test_a_stream_has_the_samples_of_resampling_at_once(noise, before, after, size):
    expected = audio.resample(noise, before, after)
    length = expected.shape[1]
    found = np.concatenate(list(resampled(in_blocks(noise, size), before, after, length)), axis=1)
    # At the end the two may differ: a stream counts what is beyond as zero, and goes on.
    np.testing.assert_allclose(found[:, :-1], expected[:, :-1], atol=1e-6)


@pytest.mark.parametrize(
    ("before", "after"), [(48_000, 16_000), (16_000, 48_000), (16_000, 16_000)]
)
@pytest.mark.parametrize("length", [1, 2, 50, 400])
def test_a_stream_has_exactly_the_length_asked_for(noise, before, after, length):
    found = list(resampled(in_blocks(noise[:, :60], 7), before, after, length))
    assert sum(block.shape[1] for block in found) == length


def test_one_sample_is_not_lost_at_a_third_of_its_rate():
    found = np.concatenate(
        list(resampled([np.ones((1, 1), np.float32)], 48_000, 16_000, 1)), axis=1
    )
    assert found.shape == (1, 1)
    assert found[0, 0] > 0.1


@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_24", "FLOAT"])
def test_a_file_written_in_blocks_is_the_file_written_at_once(tmp_path, noise, subtype):
    loud = 20 * noise
    limited = audio.write(tmp_path / "whole.wav", loud, 16_000, subtype=subtype)
    with writing(tmp_path / "x.wav", 16_000, 2, frames=50_000, subtype=subtype) as sink:
        for block in in_blocks(loud, 3_001):
            sink.write(block)
    assert sink.limited == limited
    assert (limited > 0) == (subtype != "FLOAT")
    for name in ("whole.wav", "x.wav"):
        assert soundfile.info(tmp_path / name).subtype == subtype
    np.testing.assert_array_equal(
        audio.read(tmp_path / "x.wav")[0], audio.read(tmp_path / "whole.wav")[0]
    )


@pytest.mark.parametrize("name", ["old.wav", "new.wav"])
def test_a_broken_sample_leaves_the_old_file_and_no_partial_one(tmp_path, noise, name):
    (tmp_path / "old.wav").write_bytes(b"old")

    def write():
        with writing(tmp_path / name, 16_000, 2, frames=100_000) as sink:
            sink.write(noise)
            sink.write(noise * np.nan)

    with pytest.raises(DataError, match=r"NaN or infinite.* at 3\.125 s"):
        write()
    assert (tmp_path / "old.wav").read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["old.wav"]


def test_a_wav_beyond_its_own_limit_becomes_rf64(tmp_path, noise, monkeypatch):
    monkeypatch.setattr(audio_stream, "_WAV_BYTES", 100_000)
    with writing(tmp_path / "x.wav", 16_000, 2, frames=50_000) as sink:
        sink.write(noise)
    assert soundfile.info(tmp_path / "x.wav").format == "RF64"
    assert audio.read(tmp_path / "x.wav")[0].shape == (2, 50_000)


def test_a_fine_resolution_finds_its_nearest_in_another_format(tmp_path, noise):
    for subtype, target, expected in [
        ("PCM_16", "y.wav", None),
        ("PCM_24", "y.flac", "PCM_24"),
        ("FLOAT", "y.flac", "PCM_24"),
        ("DOUBLE", "y.caf", "DOUBLE"),
        ("FLOAT", "y.mp3", None),
    ]:
        soundfile.write(tmp_path / "x.wav", noise.T, 16_000, subtype=subtype)
        assert fine_subtype(tmp_path / "x.wav", tmp_path / target) == expected
    with pytest.raises(DataError, match="cannot write the suffix"):
        fine_subtype(tmp_path / "x.wav", tmp_path / "y.xyz")
