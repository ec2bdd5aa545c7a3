"""Raw PCM in, raw PCM out: the bytes of it, and a real pipe fed slowly."""

import io
import subprocess
import sys
import time

import numpy as np
import pytest

from wellposed.cli import main
from wellposed.data.pcm import pass_pcm
from wellposed.systems.enhance.stream import EnhanceStream
from wellposed.systems.enhance.use import Enhancer


class Dripping(io.RawIOBase):
    """Bytes that come in pieces of the given sizes, in turn."""

    def __init__(self, data: bytes, sizes: list[int]) -> None:
        self.data, self.sizes, self.turn = data, sizes, 0

    def read(self, size: int = -1) -> bytes:
        count = self.sizes[self.turn % len(self.sizes)]
        self.turn += 1
        got, self.data = self.data[:count], self.data[count:]
        return got


@pytest.fixture
def network(causal_enhancer):
    return causal_enhancer.network


def in_steps(waveform) -> bytes:
    """Channels interleaved, 16-bit."""
    return np.rint(waveform.T * 32768).astype("<i2").tobytes()


@pytest.mark.parametrize("sizes", [[1], [3, 1, 5], [1021], [10**7]])
def test_reads_may_end_within_a_sample(network, noise, sizes):
    data = in_steps(noise(2, 2_000))
    waveform = np.frombuffer(data, "<i2").reshape(-1, 2).T / np.float32(32768)
    sink = io.BytesIO()
    passed = pass_pcm(EnhanceStream(network, channels=2), Dripping(data, sizes), sink)
    found = np.frombuffer(sink.getvalue(), "<i2").reshape(-1, 2).T / 32768
    expected = Enhancer(network)(waveform, 16_000)
    np.testing.assert_allclose(found, expected, rtol=0, atol=0.51 / 32768)
    assert passed.notes() == []


def test_floats_pass_beyond_full_scale_and_integers_are_limited(network, noise):
    waveform = noise(1, 3_000, level=0.9)[0].astype("<f4")
    expected = Enhancer(network)(waveform, 16_000)
    sink = io.BytesIO()
    pass_pcm(EnhanceStream(network), Dripping(waveform.tobytes(), [999]), sink, "f32le")
    np.testing.assert_allclose(np.frombuffer(sink.getvalue(), "<f4"), expected, rtol=0, atol=1e-6)
    steps = np.clip(np.rint(waveform * 32768), -32768, 32767).astype("<i2").tobytes()
    passed = pass_pcm(EnhanceStream(network), Dripping(steps, [999]), io.BytesIO())
    assert passed.limited > 0
    assert f"{passed.limited} samples beyond full scale" in passed.notes()[0]


def test_bytes_that_are_no_whole_sample_at_the_end_are_told(network):
    sink = io.BytesIO()
    passed = pass_pcm(EnhanceStream(network, channels=2), Dripping(bytes(4 * 500 + 3), [777]), sink)
    assert len(sink.getvalue()) == 4 * 500
    assert "the last 3 bytes were no whole sample" in passed.notes()[0]


def test_a_pipe_that_is_fed_slowly_answers_before_its_end(weights, noise, network):
    data = in_steps(noise(1, 16_000))
    command = [sys.executable, "-m", "wellposed", "enhance", "--stream", "--model", str(weights)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        for start in range(0, 8_001, 333):  # odd: half a sample waits at times
            process.stdin.write(data[start : start + 333])
            time.sleep(0.002)
        fed = start + 333
        wanted = fed // 2 // 256 * 256 - 256
        early = b""
        while len(early) < 2 * wanted:
            early += process.stdout.read(2 * wanted - len(early))
        process.stdin.write(data[fed:])
        process.stdin.close()
        found = early + process.stdout.read()
        assert process.stderr.read() == b""
    assert process.returncode == 0
    waveform = np.frombuffer(data, "<i2") / np.float32(32768)
    expected = Enhancer(network)(waveform, 16_000)
    np.testing.assert_allclose(
        np.frombuffer(found, "<i2") / 32768, expected, rtol=0, atol=0.51 / 32768
    )


def test_a_shell_pipe_whose_reader_goes_away_ends_quietly(weights):
    line = (
        f'"{sys.executable}" -m wellposed enhance --stream --model "{weights}" --format f32le '
        "< /dev/zero | head -c 4096 | wc -c; echo ${PIPESTATUS[0]}"
    )
    done = subprocess.run(["bash", "-c", line], capture_output=True, text=True, check=False)
    assert done.stdout.split() == ["4096", "1"]
    assert done.stderr == ""


def test_a_sample_that_is_no_number_ends_the_pipe_with_its_place(weights):
    data = np.array([0.0] * 800 + [np.nan], "<f4").tobytes()
    command = [sys.executable, "-m", "wellposed", "enhance", "--stream", "--model", str(weights)]
    done = subprocess.run(
        [*command, "--format", "f32le"], input=data, capture_output=True, check=False
    )
    assert done.returncode == 1
    assert b"at 0.050 s of the stream" in done.stderr
    assert not np.frombuffer(done.stdout, "<f4").any()


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["--stream", "a.wav"], "name no files with it"),
        (["--stream", "--overwrite"], "name no files with it"),
        (["a.wav", "--rate", "8000"], "describe a stream"),
    ],
)
def test_options_that_clash_are_a_usage_error(arguments, problem, capsys):
    assert main(["enhance", *arguments]) == 2
    assert problem in capsys.readouterr().err


def test_a_model_that_looks_ahead_is_refused_before_anything_is_read(capsys):
    assert main(["enhance", "--stream", "--model", "bsrnn-small"]) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "model.causal True" in captured.err
