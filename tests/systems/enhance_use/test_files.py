"""Files and folders: exact, complete or absent, and every failure told."""

import io
import os
import tracemalloc

import numpy as np
import pytest
import soundfile
from rich.console import Console

from wellposed.data import audio
from wellposed.nn.sweeps import Sweeps
from wellposed.systems.enhance import files, use
from wellposed.systems.enhance.files import enhance_file, enhance_paths


class Terminal:
    """Runs `enhance_paths` and keeps what it prints."""

    def __init__(self, model) -> None:
        self.model = model
        self.out = self.errors = ""

    def __call__(self, inputs, output=None, **options) -> int:
        out, errors = io.StringIO(), io.StringIO()
        status = enhance_paths(
            inputs, output, model=self.model, console=Console(file=out),
            errors=Console(file=errors), **options,
        )  # fmt: skip
        self.out, self.errors = out.getvalue(), errors.getvalue()
        return status


@pytest.fixture
def enhance(run_folder) -> Terminal:
    return Terminal(run_folder)


@pytest.mark.parametrize("name", ["x.wav", "x.flac", "x.aiff", "x.w64", "x.caf"])
@pytest.mark.parametrize(("channels", "rate"), [(1, 16_000), (2, 44_100)])
def test_a_file_is_what_the_array_is_to_16_bit(tmp_path, enhancer, noise, name, channels, rate):
    waveform = noise(channels, 20_001, 0.02)
    audio.write(tmp_path / name, waveform, rate)
    stored, _ = audio.read(tmp_path / name)
    done = enhance_file(enhancer, tmp_path / name, tmp_path / f"y-{name}")
    found, found_rate = audio.read(done.target)
    assert found_rate == rate
    assert found.shape == waveform.shape
    np.testing.assert_allclose(found, enhancer(stored, rate), atol=0.51 / 2**15)
    assert soundfile.info(done.target).subtype == "PCM_16"


@pytest.mark.parametrize(
    ("source", "subtype", "target", "expected"),
    [
        ("x.wav", "PCM_24", "y.wav", "PCM_24"),
        ("x.wav", "FLOAT", "y.wav", "FLOAT"),
        ("x.wav", "FLOAT", "y.flac", "PCM_24"),
        ("x.wav", "ULAW", "y.wav", "PCM_16"),
        ("x.flac", "PCM_24", "y.aif", "PCM_24"),
        ("x.wav", "PCM_24", "y.ogg", "VORBIS"),
    ],
)
def test_a_fine_resolution_is_kept(tmp_path, enhancer, noise, source, subtype, target, expected):
    soundfile.write(tmp_path / source, noise(1, 3_000).T, 16_000, subtype=subtype)
    enhance_file(enhancer, tmp_path / source, tmp_path / target)
    assert soundfile.info(tmp_path / target).subtype == expected
    assert soundfile.info(tmp_path / target).frames == 3_000


def test_limited_samples_are_counted_in_the_line(tmp_path, enhance, noise):
    # Noise of three times full scale: whatever the network leaves of it, some is beyond.
    soundfile.write(tmp_path / "x.wav", noise(1, 16_000, 300.0).T, 16_000, subtype="FLOAT")
    assert enhance([tmp_path / "x.wav"], tmp_path / "y.flac") == 0
    assert "samples beyond full scale were limited" in enhance.out
    assert np.abs(audio.read(tmp_path / "y.flac")[0]).max() <= 1.0


def test_silence_in_a_file_stays_silence(tmp_path, enhance):
    audio.write(tmp_path / "x.wav", np.zeros((2, 10_000), np.float32), 22_050)
    assert enhance([tmp_path / "x.wav"]) == 0
    assert not audio.read(tmp_path / "x-enhanced.wav")[0].any()


@pytest.fixture
def mixed_folder(tmp_path, noise):
    """Two good files and every kind of bad one, the bad ones first in the order of names."""
    folder = tmp_path / "in"
    audio.write(folder / "y.wav", noise(1, 4_000), 16_000)
    audio.write(folder / "z" / "z.flac", noise(2, 4_000), 8_000)
    (folder / "a-empty.wav").write_bytes(b"")
    (folder / "b-text.wav").write_text("this is no audio")
    soundfile.write(folder / "c-none.wav", np.zeros(0), 16_000)
    content = (folder / "y.wav").read_bytes()
    (folder / "d-cut.wav").write_bytes(content[: len(content) // 2])
    content = (folder / "z" / "z.flac").read_bytes()
    (folder / "e-cut.flac").write_bytes(content[: len(content) // 2])
    broken = noise(1, 4_000)
    broken[0, 2_000] = np.nan
    soundfile.write(folder / "f-nan.wav", broken.T, 16_000, subtype="FLOAT")
    return folder


def test_bad_files_are_told_and_the_good_ones_of_the_folder_are_done(
    tmp_path, enhance, mixed_folder
):
    out = tmp_path / "out"
    assert enhance([mixed_folder], out) == 1
    written = sorted(path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file())
    assert written == ["y.wav", "z/z.flac"]
    lines = enhance.errors.splitlines()
    for name, problem in [
        ("a-empty.wav", "0 bytes"),
        ("b-text.wav", "cannot be decoded"),
        ("c-none.wav", "no samples"),
        ("d-cut.wav", "truncated"),
        ("e-cut.flac", "cut off"),
        ("f-nan.wav", "1 of 4000 samples are NaN or infinite"),
    ]:
        mine = [line for line in lines if name in line]
        assert len(mine) == 1, (name, lines)
        assert mine[0].startswith("error: ")
        assert problem in mine[0]
    assert len(lines) == 6
    assert "0.25 s, 1 channel, 16000 Hz, real-time factor" in enhance.out
    assert "2 done (0.8 s of audio, real-time factor" in enhance.out
    assert "6 failed" in enhance.out


def test_a_missing_file_fails_and_the_others_are_done(tmp_path, enhance, noise):
    audio.write(tmp_path / "x.wav", noise(1, 4_000), 16_000)
    assert enhance([tmp_path / "no.wav", tmp_path / "x.wav"], tmp_path / "out") == 1
    assert "no.wav: no such file" in enhance.errors
    assert (tmp_path / "out" / "x.wav").is_file()


def test_nothing_to_do_has_its_own_status(tmp_path, enhance):
    assert enhance([]) == 2
    assert enhance([tmp_path, tmp_path], tmp_path / "x.wav") == 2
    (tmp_path / "empty").mkdir()
    assert enhance([tmp_path / "empty"]) == 1
    assert "no audio in this folder" in enhance.errors


def test_an_output_is_replaced_only_when_asked_and_only_by_a_complete_one(
    tmp_path, enhance, noise, mixed_folder
):
    good, bad, target = mixed_folder / "y.wav", mixed_folder / "f-nan.wav", tmp_path / "t.wav"
    target.write_bytes(b"precious")
    assert enhance([good], target) == 1
    assert enhance([bad], target, overwrite=True) == 1
    assert target.read_bytes() == b"precious"
    assert sorted(os.listdir(tmp_path)) == ["in", "t.wav"]
    assert enhance([good], target, overwrite=True) == 0
    assert audio.inspect(target).frames == 4_000


def test_a_failure_in_the_middle_of_a_long_file_leaves_nothing(
    tmp_path, enhance, noise, monkeypatch
):
    monkeypatch.setattr(use, "WHOLE_S", 1.0)
    monkeypatch.setattr(use, "CHUNK_S", 2.0)
    monkeypatch.setattr(files, "BLOCK", 4_096)
    waveform = noise(1, 160_000)
    waveform[0, 150_000] = np.inf
    soundfile.write(tmp_path / "x.wav", waveform.T, 16_000, subtype="FLOAT")
    assert enhance([tmp_path / "x.wav"]) == 1
    assert "at 9.375 s" in enhance.errors
    assert os.listdir(tmp_path) == ["x.wav"]


def test_a_format_that_cannot_hold_the_channels_is_an_error(tmp_path, enhance, noise):
    audio.write(tmp_path / "x.wav", noise(9, 2_000), 16_000)
    assert enhance([tmp_path / "x.wav"], tmp_path / "y.flac") == 1
    assert "9 channels" in enhance.errors
    assert os.listdir(tmp_path) == ["x.wav"]


def test_odd_names_are_printed_as_they_are(tmp_path, enhance, noise):
    name = "[bold]" + "long " * 30 + ".wav"
    audio.write(tmp_path / name, noise(1, 2_000), 16_000)
    assert enhance([tmp_path / name], tmp_path / "y.wav") == 0
    assert f"{tmp_path / name} -> {tmp_path / 'y.wav'}: 0.12 s" in enhance.out


def test_a_long_file_shows_progress_where_there_is_no_terminal(
    tmp_path, enhance, noise, monkeypatch
):
    monkeypatch.setattr(use, "WHOLE_S", 1.0)
    monkeypatch.setattr(use, "CHUNK_S", 2.0)
    monkeypatch.setattr(files, "PLAIN_EVERY_S", 0.0)
    audio.write(tmp_path / "x.wav", noise(1, 160_000), 16_000)
    assert enhance([tmp_path / "x.wav"]) == 0
    lines = enhance.out.splitlines()
    assert len(lines) > 3
    assert "x.wav: 5 of 10 s, real-time factor" in enhance.out
    assert [line for line in lines[:-1] if "s left" not in line] == []


def test_memory_does_not_grow_with_the_length(tmp_path, enhancer, monkeypatch):
    # Without the network, whose chunks have one size: what is left is reading, resampling,
    # waiting on disk, resampling back and writing.
    monkeypatch.setattr(Sweeps, "run", lambda self, audio, channel, tick, done: None)
    peaks = []
    for minutes in (2, 20):
        path = tmp_path / f"{minutes}.wav"
        with soundfile.SoundFile(path, "w", 8_000, 1, "PCM_16") as file:
            for _ in range(minutes):
                file.write(np.ones(60 * 8_000, np.int16))
        target = path.with_suffix(".flac")
        peaks.append(traced_peak(enhancer, path, target))
        assert audio.inspect(target).frames == minutes * 60 * 8_000
    # Twenty minutes are 77 MB at the network's rate.
    assert peaks[1] < 1.2 * peaks[0]
    assert peaks[1] < 20e6


def traced_peak(enhancer, source, target) -> int:
    """Largest memory that Python and NumPy held at once during the work [bytes]."""
    tracemalloc.start()
    try:
        enhance_file(enhancer, source, target)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
