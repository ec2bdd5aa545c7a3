"""What the codec network promises before it has learned anything."""

import pytest
import torch
from torch import Tensor

from wellposed.systems.codec.model import Codec
from wellposed.systems.codec.recipe import SIZES, Model

TINY = Model(
    encoder_channels=(4, 6, 8, 8, 12),
    decoder_channels=(4, 6, 8, 8, 12),
    latent=8,
    follow="frequency",
    bands=0,
    comb=0.0,
    quantizer="factorised",
    stages=3,
    size=16,
    code_dims=4,
)


def noise(samples: int, seed: int = 0, batch: int = 1) -> Tensor:
    return 0.1 * torch.randn(batch, samples, generator=torch.Generator().manual_seed(seed))


def codec(rate: int = 16000, **changes: object) -> Codec:
    torch.manual_seed(0)
    return Codec(TINY.model_copy(update=changes), rate).eval()


@pytest.mark.parametrize("rate", [8000, 16000, 24000, 48000])
@pytest.mark.parametrize("samples", [1, 2, 159, 160, 161, 319, 320, 321, 4799, 4801])
def test_the_output_is_as_long_as_the_input(rate: int, samples: int):
    network, wave = codec(rate), noise(samples)
    codes = network.encode(wave)
    assert codes.shape == (1, 3, network.frames(samples))
    assert network.decode(codes, samples).shape == wave.shape
    with torch.no_grad():
        assert network(wave).wave.shape == wave.shape


@pytest.mark.parametrize("rate", [8000, 16000, 24000, 48000])
def test_a_frame_is_20_ms_at_every_rate(rate: int):
    assert codec(rate).hop == rate // 50


@pytest.mark.parametrize("at", [3199, 3200, 3201, 3519])
def test_a_change_never_alters_what_comes_before_its_frame(at: int):
    network, wave = codec(), noise(6400)
    changed = wave.clone()
    changed[:, at:] = noise(6400 - at, seed=5)
    before = network.decode(network.encode(wave), 6400)
    after = network.decode(network.encode(changed), 6400)
    kept = at // network.hop * network.hop
    assert at - kept <= network.lookahead
    assert torch.equal(before[:, :kept], after[:, :kept])
    assert not torch.equal(before[:, kept:], after[:, kept:])


def test_the_training_forward_never_looks_beyond_a_frame_either():
    network, wave = codec(), noise(6400)
    wave.requires_grad_()
    network(wave, quantize=False).wave[0, :3200].sum().backward()
    assert wave.grad is not None
    assert not wave.grad[0, 3200:].any()
    assert wave.grad[0, 3199] != 0


@pytest.mark.parametrize("kind", ["factorised", "ema", "scalar"])
def test_a_stream_has_the_bits_of_the_whole(kind: str):
    network, wave = codec(quantizer=kind), noise(320 * 120, batch=2)
    codes = network.encode(wave)
    whole = network.decode(codes, wave.shape[-1])
    for length in (1, 7, 64):
        encoder, decoder = network.encoder_state(), network.decoder_state()
        pieces = [network.encode_step(p, encoder) for p in wave.split(320 * length, -1)]
        assert torch.equal(torch.cat(pieces, -1), codes)
        sounds = [network.decode_step(p, decoder) for p in codes.split(length, -1)]
        assert torch.equal(torch.cat(sounds, -1), whole)


def test_the_number_of_threads_changes_no_bit():
    network, wave = codec(), noise(32000)
    codes = network.encode(wave)
    sound = network.decode(codes, 32000)
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        assert torch.equal(network.encode(wave), codes)
        assert torch.equal(network.decode(codes, 32000), sound)
    finally:
        torch.set_num_threads(threads)


def test_an_item_of_a_batch_is_coded_as_alone():
    network, waves = codec(), noise(5000, batch=3)
    together = network.encode(waves)
    for item, wave in enumerate(waves):
        assert torch.equal(network.encode(wave[None]), together[item : item + 1])


def test_use_is_the_forward_of_training_up_to_rounding():
    network, wave = codec(), noise(16000)
    with torch.no_grad():
        trained = network(wave)
    assert (network.encode(wave) == trained.codes).float().mean() > 0.98
    used = network.decode(trained.codes, 16000)
    assert (used - trained.wave).abs().max() < 1e-3 * trained.wave.abs().max() + 2.0**-12


def test_silence_has_zero_codes_and_is_exactly_silent_again():
    network = codec()
    assert not network.encode(torch.zeros(1, 3200)).any()
    wave = torch.cat([noise(16000), torch.zeros(1, 48000)], -1)
    codes = network.encode(wave)
    assert not codes[..., 50:].any()
    assert not network.decode(codes, wave.shape[-1])[:, -16000:].any()


def test_the_output_is_bounded_however_wild_the_decoder():
    network = codec()
    with torch.no_grad():
        list(network.decoder.parameters())[-1].mul_(1e4)
        out = network(noise(3200)).wave
    assert out.abs().max() == 1.0
    assert network.decode(network.encode(noise(3200)), 3200).abs().max() <= 1.0


def test_fewer_stages_decode_as_the_forward_with_fewer():
    network, wave = codec(), noise(8000)
    codes = network.encode(wave)[:, :2]
    with torch.no_grad():
        coarse = network(wave, stages=2)
    assert (coarse.codes[:, 2] == -1).all()
    assert torch.allclose(network.decode(codes, 8000), coarse.wave, atol=0.02)


@pytest.mark.parametrize(
    ("codes", "samples", "message"),
    [
        (torch.zeros(1, 3, 10, dtype=torch.int64), 1, "wanted 1 frames"),
        (torch.zeros(1, 3, 0, dtype=torch.int64), 0, "a sample at least"),
        (torch.full((1, 3, 1), 16), 320, "wanted 0 to 15"),
        (torch.zeros(1, 4, 1, dtype=torch.int64), 320, "wanted 1 to 3"),
    ],
)
def test_codes_that_cannot_be_are_refused(codes: Tensor, samples: int, message: str):
    with pytest.raises(ValueError, match=message):
        codec().decode(codes, samples)


def test_input_that_cannot_be_coded_is_refused():
    with pytest.raises(ValueError, match="without samples"):
        codec().encode(torch.zeros(1, 0))
    with pytest.raises(ValueError, match="whole frames of 320"):
        codec().encode_step(torch.zeros(1, 300), codec().encoder_state())
    with pytest.raises(ValueError, match="44100 Hz"):
        codec(44100)


@pytest.mark.parametrize(("size", "millions"), [("1m", 1.33), ("4m", 4.75), ("10m", 10.3)])
def test_sizes_are_what_their_names_say(size: str, millions: float):
    count = sum(p.numel() for p in Codec(SIZES[size], 16000).parameters())
    assert count / 1e6 == pytest.approx(millions, rel=0.02)
