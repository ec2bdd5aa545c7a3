"""Extraction from a stream: the whole at once, whatever the chunks; latency, presence, the pipe."""

import subprocess
import sys

import numpy as np
import pytest
import torch
from little_extractor import TINY, little_network, little_recipe

from wellposed.data import audio
from wellposed.engine.storage.modelfile import save_model
from wellposed.errors import CheckpointError, DataError
from wellposed.nn.cues import Cue
from wellposed.systems.extract.model import Extract
from wellposed.systems.extract.stream import ExtractStream
from wellposed.systems.extract.use import Extractor

RNG = np.random.default_rng(0)
VOICE = (RNG.standard_normal(8000) * 0.1).astype(np.float32)
MIXTURE = (RNG.standard_normal((2, 12345)) * 0.1).astype(np.float32)


def ready(**changes) -> Extractor:
    return Extractor(little_network(causal=True, **changes)).enrol([(VOICE, 8000)])


def in_chunks(stream: ExtractStream, waveform, size: int):
    made = [stream.push(waveform[..., i : i + size]) for i in range(0, waveform.shape[-1], size)]
    return np.concatenate([*made, stream.flush()], axis=-1)


@pytest.mark.parametrize("block", ["lstm", "mamba"])
@pytest.mark.parametrize("size", [61, 4096, 12345])
def test_chunks_of_any_size_make_what_the_whole_makes(block, size):
    extractor = ready(block=block)
    whole = extractor(MIXTURE, 8000)
    assert np.abs(whole - MIXTURE).max() > 0.01
    stream = ExtractStream(extractor, channels=2)
    np.testing.assert_allclose(in_chunks(stream, MIXTURE, size), whole, rtol=0, atol=1e-5)
    np.testing.assert_allclose(in_chunks(stream, MIXTURE, size), whole, rtol=0, atol=1e-5)


def test_another_rate_is_streamed_as_well():
    extractor = ready()
    whole = extractor(MIXTURE[0], 16000)
    found = in_chunks(ExtractStream(extractor, 16000), MIXTURE[0], 999)
    np.testing.assert_allclose(found, whole, rtol=0, atol=1e-5)


def test_speaking_is_the_track_of_the_whole():
    extractor = ready()
    extractor(MIXTURE[0], 8000)
    stream = ExtractStream(extractor)
    heard = []
    for start in range(0, MIXTURE.shape[1], 1000):
        stream.push(MIXTURE[0, start : start + 1000])
        heard.append(stream.speaking)
    found, whole = np.concatenate(heard, axis=1)[0], extractor.presence[0]
    # The first frames of a whole recording end before half a window of it has come.
    hops = extractor.network.stft.window / extractor.network.stft.hop
    first = round(hops / 2) - 1
    wanted = whole.probabilities[: len(found) - first]
    np.testing.assert_allclose(found[first : first + len(wanted)], wanted, atol=1e-5)


@pytest.mark.parametrize("rate", [8000, 16000])
def test_the_latency_is_a_window_at_the_networks_rate_and_what_resampling_adds(rate):
    stream = ExtractStream(ready(), rate)
    if rate == 8000:
        assert stream.latency_samples == 8000 * 0.032 - 1
    out = worst = 0
    for taken in range(rate // 2):
        worst = max(worst, taken - out)
        out += len(stream.push(np.zeros(1)))
    assert worst <= stream.latency_samples


def test_streams_that_cannot_be_are_refused():
    with pytest.raises(CheckpointError, match=r"model\.causal True"):
        ExtractStream(Extractor(little_network()).enrol([(VOICE, 8000)]))
    with pytest.raises(DataError, match="nobody is enrolled"):
        ExtractStream(Extractor(little_network(causal=True)))


def test_the_command_streams_raw_samples(tmp_path):
    recipe = little_recipe(**{"model.causal": True})
    network = Extract(TINY.model_copy(update={"causal": True}), 8000)
    network.load_state_dict(little_network(causal=True).state_dict())
    tensors = {f"model/{name}": value for name, value in network.state_dict().items()}
    card = {"system": "extract", "recipe": recipe.model_dump(mode="json")}
    save_model(tmp_path / "m.safetensors", tensors, card)
    audio.write(tmp_path / "me.wav", VOICE[None], 8000)
    command = [sys.executable, "-m", "wellposed", "extract", "--stream", "--format", "f32le"]
    command += ["--enrol", str(tmp_path / "me.wav"), "--model", str(tmp_path / "m.safetensors")]
    done = subprocess.run(command, input=MIXTURE[0].tobytes(), capture_output=True, check=True)
    extractor = Extractor.load(tmp_path / "m.safetensors")
    voice, _ = audio.read(tmp_path / "me.wav")
    wanted = extractor.enrol([(voice, 8000)])(MIXTURE[0], 8000)
    np.testing.assert_allclose(np.frombuffer(done.stdout, "<f4"), wanted, rtol=0, atol=1e-5)


def test_the_enrolment_is_looked_at_as_in_training():
    network = little_network(causal=True)
    enrolled = network.enrol(torch.from_numpy(VOICE)[None])
    x = torch.randn(2, 5, len(network.split.widths), TINY.features)
    cue = network.cues[0]
    assert isinstance(cue, Cue)
    both = type(enrolled)(*(part.expand(2, *part.shape[1:]) for part in enrolled))
    torch.testing.assert_close(cue.look(x, cue.memory(enrolled).of(2)), cue(x, both))
