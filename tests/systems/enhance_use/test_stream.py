"""A stream in chunks of any size against the whole at once."""

import numpy as np
import pytest
import torch

from wellposed.data.audio import read
from wellposed.data.live import FRAMES
from wellposed.engine.storage.modelfile import save_model
from wellposed.errors import CheckpointError, DataError
from wellposed.nn.dualpath import BLOCKS
from wellposed.systems.enhance.loading import CAUSAL
from wellposed.systems.enhance.model import Bsrnn
from wellposed.systems.enhance.recipe import SIZES, EnhanceRecipe, Model
from wellposed.systems.enhance.stream import EnhanceStream
from wellposed.systems.enhance.use import Enhancer
from wellposed.systems.enhance.walk import Walk

SAMPLES = 24_001
TINY = {
    "features": 8,
    "hidden": 8,
    "depth": 2,
    "taps_hidden": 8,
    "causal": True,
    "level_window_s": 0.5,
}


def tiny(**changes) -> Model:
    return Model.model_validate(TINY | changes)


def lively(**model) -> Bsrnn:
    """A small causal network with large weights: it remembers, and is far from the identity."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = Bsrnn(tiny(**model), 16_000).eval()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.mul_(2.0)
    return network.requires_grad_(False)


@pytest.fixture(scope="module")
def network() -> Bsrnn:
    return lively()


@pytest.fixture(scope="module", params=BLOCKS)
def kind(request) -> Bsrnn:
    return lively(block=request.param)


def in_chunks(stream: EnhanceStream, waveform, size: int):
    made = [stream.push(waveform[..., i : i + size]) for i in range(0, waveform.shape[-1], size)]
    return np.concatenate([*made, stream.flush()], axis=-1)


@pytest.mark.parametrize("size", [1, 61, 256, 997, 5_003, SAMPLES])
def test_chunks_of_any_size_make_what_the_whole_makes(kind, noise, size):
    samples = 2_000 if size == 1 else SAMPLES
    waveform = noise(1, samples)[0]
    whole = Enhancer(kind)(waveform, 16_000)
    assert np.abs(whole - waveform).max() > 0.05
    found = in_chunks(EnhanceStream(kind), waveform, size)
    # Rounding, which these large weights magnify: 2.3e-6 at the worst of them.
    np.testing.assert_allclose(found, whole, rtol=0, atol=1e-5)


def test_without_compiled_paths_a_stream_makes_the_same(kind, noise):
    samples = torch.from_numpy(noise(2, 30 * 256))
    compiled, plain = Walk(kind), Walk(kind, compiled=False)
    ours, theirs = compiled.rest(2), plain.rest(2)
    for piece in samples.split([256] * 10 + [5 * 256] * 4, 1):
        found, ours = compiled(piece, ours)
        wanted, theirs = plain(piece, theirs)
        np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-5)


@pytest.mark.parametrize("window_ms", [16.0, 32.0])
@pytest.mark.parametrize("hop_ms", [4.0, 8.0])
def test_windows_of_several_hops_are_streamed_as_well(noise, window_ms, hop_ms):
    network = lively(window_ms=window_ms, hop_ms=hop_ms)
    waveform = noise(1, 9_001)[0]
    whole = Enhancer(network)(waveform, 16_000)
    found = in_chunks(EnhanceStream(network), waveform, 333)
    np.testing.assert_allclose(found, whole, rtol=0, atol=1e-6)


@pytest.mark.parametrize("rate", [8_000, 44_100, 48_000])
def test_other_rates_and_several_channels_make_what_the_whole_makes(network, noise, rate):
    waveform = noise(2, rate)
    whole = Enhancer(network, notice=lambda text: None)(waveform, rate)
    for size in (479, 10 * rate):
        found = in_chunks(EnhanceStream(network, rate, 2), waveform, size)
        np.testing.assert_allclose(found, whole, rtol=0, atol=1e-6)


@pytest.mark.parametrize("rate", [16_000, 44_100, 192_000])
@pytest.mark.parametrize("samples", [0, 1, 2, 255, 256, 257, 1_999])
def test_as_many_samples_come_out_as_went_in(network, noise, rate, samples):
    stream = EnhanceStream(network, rate)
    made = [stream.push(np.zeros(0)), stream.push(noise(1, samples)[0]), stream.push(np.zeros(0))]
    assert np.concatenate([*made, stream.flush()]).shape == (samples,)


def test_a_chunk_longer_than_what_is_worked_on_at_once_is_taken_whole(network, noise):
    waveform = noise(1, 3 * FRAMES * 256 + 5)[0]
    whole = Enhancer(network)(waveform, 16_000)
    found = in_chunks(EnhanceStream(network), waveform, len(waveform))
    np.testing.assert_allclose(found, whole, rtol=0, atol=1e-6)


def test_all_that_is_remembered_matters(kind, noise):
    # Otherwise the tests above would pass for a stream that forgets.
    walk = Walk(kind)
    samples = torch.from_numpy(noise(1, 60 * 256))
    _, state = walk(samples[:, : 20 * 256], walk.rest(1))
    expected, _ = walk(samples[:, 20 * 256 :], state)
    for name, value in state.items():
        found, _ = walk(samples[:, 20 * 256 :], state | {name: torch.zeros_like(value)})
        assert (found - expected).abs().max() > 1e-4, name


@pytest.mark.parametrize("rate", [8_000, 16_000, 44_100])
def test_the_latency_is_the_longest_wait_for_a_sample(network, rate):
    stream = EnhanceStream(network, rate)
    out = worst = 0
    for taken in range(2 * rate):
        worst = max(worst, taken - out)
        out += len(stream.push(np.zeros(1)))
    assert worst == stream.latency_samples
    assert stream.latency_ms == pytest.approx(1000 * worst / rate)


def test_an_impulse_comes_out_at_its_own_time_after_the_latency():
    # Untrained, the network is near the identity: the impulse must stand where it stood.
    torch.manual_seed(0)
    stream = EnhanceStream(Bsrnn(tiny(), 16_000).eval())
    for at in (0, 255, 256, 1_000):
        out, seen_after = [], None
        for taken in range(2_000):
            out.extend(stream.push(np.array([1.0 if taken == at else 0.0])))
            if seen_after is None and len(out) > at:
                seen_after = taken - at
        assert seen_after is not None
        assert seen_after <= stream.latency_samples
        assert np.argmax(np.abs(out)) == at
        stream.reset()


def test_no_output_that_was_given_could_have_waited_for_more_input(network, noise):
    # What has come out by then must not depend on what comes in later.
    first, second = EnhanceStream(network), EnhanceStream(network)
    waveform = noise(1, 8_000)[0]
    begun = first.push(waveform[:5_000])
    assert len(begun) > 5_000 - first.latency_samples - 1
    np.testing.assert_array_equal(begun, second.push(waveform[:5_000]))
    assert np.abs(first.push(waveform[5_000:]) - second.push(-waveform[5_000:])).max() > 1e-3


@pytest.mark.parametrize("size", [size for size in SIZES if SIZES[size].causal])
def test_the_latency_of_every_causal_size_is_at_most_forty_milliseconds(size):
    assert EnhanceStream(Bsrnn(SIZES[size], 16_000)).latency_ms <= 40


@pytest.mark.parametrize("rate", [8_000, 16_000, 48_000])
def test_digital_silence_stays_silence(network, rate):
    assert not in_chunks(EnhanceStream(network, rate), np.zeros(rate), 480).any()


def test_a_signal_after_reset_or_flush_is_the_first(network, noise):
    waveform = noise(1, 5_000)[0]
    stream = EnhanceStream(network)
    first = in_chunks(stream, waveform, 700)
    np.testing.assert_array_equal(in_chunks(stream, waveform, 700), first)
    stream.push(3 * waveform)
    stream.reset()
    np.testing.assert_array_equal(in_chunks(stream, waveform, 700), first)


@pytest.mark.parametrize("rate", [16_000, 48_000])
@pytest.mark.parametrize("bad", [np.nan, np.inf, 1e30])
def test_a_bad_chunk_is_refused_and_leaves_no_trace(network, noise, rate, bad):
    waveform = noise(1, 6_000)[0]
    expected = in_chunks(EnhanceStream(network, rate), waveform, 1_000)
    stream, made = EnhanceStream(network, rate), []
    broken = waveform[:1_000].copy()
    broken[500] = bad
    for start in range(0, 6_000, 1_000):
        with pytest.raises(DataError, match=f"at {(start + 500) / rate:.3f} s of the stream"):
            stream.push(broken)
        made.append(stream.push(waveform[start : start + 1_000]))
    np.testing.assert_array_equal(np.concatenate([*made, stream.flush()]), expected)


@pytest.mark.parametrize(
    ("channels", "chunk", "problem"),
    [
        (None, np.zeros((1, 9)), r"takes \(time,\)"),
        (1, np.zeros(9), r"takes \(1, time\)"),
        (2, np.zeros((9, 2)), r"takes \(2, time\)"),
        (None, np.zeros(9, np.int16), "divide int16 by 32768"),
    ],
)
def test_what_is_no_chunk_is_refused(network, channels, chunk, problem):
    with pytest.raises(DataError, match=problem):
        EnhanceStream(network, channels=channels).push(chunk)


def test_rates_and_channels_below_one_are_refused(network):
    with pytest.raises(DataError, match="rate of 0"):
        EnhanceStream(network, 0)
    with pytest.raises(DataError, match="number of channels of 0"):
        EnhanceStream(network, channels=0)


def test_a_network_that_looks_ahead_is_refused_by_name(tmp_path):
    with pytest.raises(CheckpointError, match=r"model\.causal True"):
        EnhanceStream(lively(causal=False))
    with pytest.raises(CheckpointError, match=r"bsrnn-small.*model\.causal True"):
        EnhanceStream("bsrnn-small")


def test_without_a_model_the_shipped_causal_one_streams_as_it_works_on_files(noise):
    waveform = noise(1, 8_000)[0]
    made = in_chunks(EnhanceStream(), waveform, 700)
    whole = Enhancer.load(CAUSAL)(waveform, 16_000)
    np.testing.assert_allclose(made, whole, atol=1e-5)
    # White noise is no speech: most of it goes, with the half second in which the level is learned.
    assert np.square(made).mean() < 0.25 * np.square(waveform).mean()


def test_a_weights_file_can_be_streamed(network, tmp_path, noise):
    recipe = EnhanceRecipe(model=tiny())
    tensors = {f"model/{name}": value for name, value in network.state_dict().items()}
    card = {"system": "enhance", "recipe": recipe.model_dump(mode="json"), "step": 1}
    save_model(tmp_path / "m.safetensors", tensors, card)
    waveform = noise(1, 3_000)[0]
    np.testing.assert_array_equal(
        in_chunks(EnhanceStream(tmp_path / "m.safetensors"), waveform, 512),
        in_chunks(EnhanceStream(network), waveform, 512),
    )


@pytest.mark.slow
def test_thirty_seconds_of_a_real_recording_agree_with_the_whole(shared_data):
    path = sorted((shared_data / "paired" / "noisy").glob("*.*"))[0]
    waveform, rate = read(path)
    waveform = np.tile(waveform[0], -(-30 * rate // waveform.shape[1]))[: 30 * rate]
    network = lively(level_window_s=4.0)
    whole = Enhancer(network, notice=lambda text: None)(waveform, rate)
    found = in_chunks(EnhanceStream(network, rate), waveform, 1_601)
    np.testing.assert_allclose(found, whole, rtol=0, atol=1e-5)
