"""Sweeps: the same as at once, sample by sample, whatever the length and the chunk."""

import math

import numpy as np
import pytest
import torch

from wellposed.errors import RunError
from wellposed.nn import tape
from wellposed.nn.dualpath import Block
from wellposed.nn.sweeps import Sweeps
from wellposed.nn.tape import Tape, require_space
from wellposed.systems.enhance import use
from wellposed.systems.enhance.model import Bsrnn
from wellposed.systems.enhance.recipe import Model


def network(depth: int, *, causal: bool, block: Block = "lstm") -> Bsrnn:
    sizes = {"features": 8, "hidden": 8, "taps_hidden": 8, "level_window_s": 0.5, "states": 4}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(depth)
        made = Bsrnn(Model(depth=depth, causal=causal, block=block, **sizes), 16_000)
    # Forget gates that keep 95 % a frame: a memory like that of trained networks.
    for name, parameter in made.named_parameters():
        if "bias_hh" in name:
            parameter.data[8:16] += 3.0
    return made.eval().requires_grad_(False)


def swept(net: Bsrnn, waveform: np.ndarray, chunk: int) -> np.ndarray:
    sweeps, ticks = Sweeps(net, net.paths.paths, waveform.shape[1], chunk), []
    with Tape((len(waveform),)) as audio:
        audio.write(0, waveform.T)
        for channel in range(len(waveform)):
            sweeps.run(audio, channel, lambda: ticks.append(None))
        assert len(ticks) == len(waveform) * sweeps.ticks
        return audio.read(0, waveform.shape[1]).T


def worst_db(found: np.ndarray, expected: np.ndarray) -> float:
    """Largest error of any 0.1 s relative to the output of that 0.1 s [dB]."""
    whole = found.shape[1] // 1_600 * 1_600 or found.shape[1]
    shape = (len(found), -1, min(1_600, whole))
    error, power = (
        np.square(x[:, :whole], dtype=np.float64).reshape(shape).mean(-1)
        for x in (found - expected, expected)
    )
    return 10 * math.log10((error / (power + 1e-20)).max() + 1e-20)


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("depth", [1, 2, 3])
@pytest.mark.parametrize(
    ("samples", "chunk"),
    [(1, 5), (255, 1), (256, 1), (257, 2), (3_000, 3), (48_077, 40), (48_077, 999)],
)
def test_a_recording_in_chunks_is_the_recording_at_once(noise, causal, depth, samples, chunk):
    net = network(depth, causal=causal)
    waveform = noise(2, samples)
    with torch.inference_mode():
        expected = net(torch.from_numpy(waveform)).numpy()
    # float32 rounds at -144 dB; sums in another order leave some more.
    assert worst_db(swept(net, waveform, chunk), expected) < -100


@pytest.mark.parametrize("block", ["mamba", "mamba2"])
@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize(("samples", "chunk"), [(1, 5), (257, 2), (3_000, 3), (48_077, 40)])
def test_state_space_paths_in_chunks_are_those_at_once(noise, block, causal, samples, chunk):
    net = network(2, causal=causal, block=block)
    waveform = noise(2, samples)
    with torch.inference_mode():
        expected = net(torch.from_numpy(waveform)).numpy()
    assert worst_db(swept(net, waveform, chunk), expected) < -100


def test_silence_stays_silence_in_chunks():
    assert not swept(network(2, causal=False), np.zeros((1, 20_000), np.float32), 16).any()


def test_long_arrays_are_swept_and_equal_those_processed_at_once(enhancer, noise, monkeypatch):
    waveform = noise(2, 250_001)
    expected = enhancer(waveform, 44_100)
    monkeypatch.setattr(use, "WHOLE_S", 2.0)
    monkeypatch.setattr(use, "CHUNK_S", 0.7)
    assert worst_db(enhancer(waveform, 44_100), expected) < -80


def test_the_generator_of_the_caller_is_left_alone(noise):
    before = torch.random.get_rng_state()
    swept(network(2, causal=False), noise(1, 2_000), 3)
    assert torch.equal(before, torch.random.get_rng_state())


def test_the_share_of_the_work_rises_to_one(enhancer, noise, monkeypatch):
    monkeypatch.setattr(use, "WHOLE_S", 0.5)
    monkeypatch.setattr(use, "CHUNK_S", 0.2)
    shares = []
    list(enhancer.stream([noise(2, 20_000)], 16_000, 20_000, shares.append))
    assert shares == sorted(shares)
    assert shares[-1] == 1.0


def test_a_tape_gives_back_rows_from_any_place():
    rows = np.random.default_rng(0).standard_normal((50, 3, 2)).astype(np.float32)
    with Tape((3, 2)) as held:
        held.write(20, rows[20:])
        held.write(0, rows[:20])
        np.testing.assert_array_equal(held.read(13, 30), rows[13:43])
        with pytest.raises(EOFError):
            held.read(40, 11)


def test_too_little_room_for_temporary_files_is_an_error_that_says_where(monkeypatch, tmp_path):
    monkeypatch.setattr(tape.tempfile, "gettempdir", lambda: str(tmp_path))
    require_space(1.0)
    with pytest.raises(RunError, match="TMPDIR") as caught:
        require_space(1e18)
    assert str(tmp_path) in str(caught.value)
