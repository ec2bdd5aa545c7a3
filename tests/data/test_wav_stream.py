"""WAV through pipes, against libsndfile."""

import io
import struct
from pathlib import Path

import numpy as np
import pytest
import soundfile

from wellposed.data.wav_stream import WavInput, WavOutput
from wellposed.errors import DataError


class Pipe(io.BytesIO):
    """Cannot seek, and gives few bytes at a time."""

    def seekable(self) -> bool:
        return False

    def seek(self, *_: int) -> int:
        raise OSError("a pipe")

    def read(self, size: int | None = -1, /) -> bytes:
        return super().read(min(1000, size) if size and size > 0 else 1000)


@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_24", "PCM_32", "FLOAT"])
@pytest.mark.parametrize("channels", [1, 3])
def test_what_libsndfile_writes_is_read_alike(tmp_path: Path, subtype: str, channels: int) -> None:
    wave = np.random.default_rng(0).uniform(-1, 1, (5000, channels)).astype(np.float32)
    soundfile.write(tmp_path / "a.wav", wave, 22050, subtype=subtype)
    wanted, _ = soundfile.read(tmp_path / "a.wav", dtype="float32", always_2d=True)
    source = WavInput(Pipe((tmp_path / "a.wav").read_bytes()), "pipe")
    assert (source.rate, source.channels, source.samples) == (22050, channels, 5000)
    np.testing.assert_array_equal(np.concatenate(list(source.blocks()), 1).T, wanted)


def test_what_is_written_libsndfile_reads(tmp_path: Path) -> None:
    wave = np.random.default_rng(0).integers(-(2**15), 2**15, (2, 3000))
    wave = (wave / 2**15).astype(np.float32)
    sink = io.BytesIO()
    output = WavOutput(sink, 8000, 2, 3000)
    output.write(wave[:, :1000])
    output.write(wave[:, 1000:])
    (tmp_path / "a.wav").write_bytes(sink.getvalue())
    again, rate = soundfile.read(tmp_path / "a.wav", dtype="float32", always_2d=True)
    assert rate == 8000
    np.testing.assert_array_equal(again.T, wave)
    assert output.limited == 0


def test_a_stream_without_a_length_is_read_to_its_end() -> None:
    sink = io.BytesIO()
    WavOutput(sink, 8000, 1, None).write(np.zeros((1, 777), np.float32))
    source = WavInput(Pipe(sink.getvalue()), "pipe")
    assert source.samples is None
    assert sum(block.shape[1] for block in source.blocks()) == 777


def test_what_is_no_wav_or_ends_early_is_told() -> None:
    with pytest.raises(DataError, match="no WAV stream"):
        WavInput(io.BytesIO(b"fLaC and more of it"), "pipe")
    sink = io.BytesIO()
    WavOutput(sink, 8000, 1, 1000).write(np.zeros((1, 400), np.float32))
    with pytest.raises(DataError, match=r"tells 1000 samples, the stream ends after 400"):
        list(WavInput(io.BytesIO(sink.getvalue()), "pipe").blocks())
    eight = bytearray(sink.getvalue())
    eight[34:36] = struct.pack("<H", 8)
    with pytest.raises(DataError, match="8 bits"):
        WavInput(io.BytesIO(bytes(eight)), "pipe")
