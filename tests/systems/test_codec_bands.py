"""A codec that sends levels of bands beside the waveform below them."""

from itertools import pairwise

import pytest
import torch
from pydantic import ValidationError
from torch import Tensor

from wellposed.dsp.cosines import cosines
from wellposed.nn.causal import Whole
from wellposed.systems.codec.bands import LEVEL, ROOT, BandLevels, BandTextures, band_edges
from wellposed.systems.codec.model import Codec
from wellposed.systems.codec.network import Decoder, Encoder
from wellposed.systems.codec.recipe import Model
from wellposed.systems.codec.transform import start_as_transform

SMALL = Model(
    encoder_channels=(2, 8, 16, 32, 48),
    decoder_channels=(2, 8, 16, 32, 48),
    follow="frequency",
    comb=0.0,
    quantizer="ema",
    latent=40,
    bands=8,
    stages=3,
    size=16,
)
HOP = 320


def noise(samples: int, seed: int = 0, batch: int = 1) -> Tensor:
    return 0.1 * torch.randn(batch, samples, generator=torch.Generator().manual_seed(seed))


def codec(rate: int = 16000) -> Codec:
    torch.manual_seed(0)
    made = Codec(SMALL, rate).eval()
    start_as_transform(made)
    rows = made.latents(noise(rate, batch=2))
    made.quantizer.start(rows.detach(), torch.Generator().manual_seed(0))
    return made


def sides(network: Codec) -> tuple[BandLevels, BandTextures]:
    """What measures bands, and what gives them back."""
    encoder, decoder = network.encoder, network.decoder
    assert isinstance(encoder, Encoder)
    assert isinstance(decoder, Decoder)
    assert encoder.bands is not None
    assert decoder.bands is not None
    return encoder.bands, decoder.bands


def powers(wave: Tensor, edges: list[int]) -> Tensor:
    """Mean power of the cosine rows of each band in each frame `(frames, bands)`, float64."""
    made = wave.double().reshape(-1, HOP) @ cosines(HOP, HOP).T
    return torch.stack([made[:, a:b].square().mean(1) for a, b in pairwise(edges)], 1)


@pytest.mark.parametrize(("first", "rows", "number"), [(48, 320, 16), (40, 160, 12), (5, 9, 4)])
def test_bands_leave_no_gap_and_none_is_empty(first: int, rows: int, number: int):
    edges = band_edges(first, rows, number, 25.0)
    assert (edges[0], edges[-1], len(edges)) == (first, rows, number + 1)
    assert edges == sorted(set(edges))


def test_more_bands_than_rows_are_refused():
    with pytest.raises(ValueError, match="5 bands of 4 rows"):
        band_edges(316, 320, 5, 25.0)
    with pytest.raises(ValidationError, match="one more is wanted"):
        Model(latent=8, bands=8)


@torch.no_grad()
def test_a_level_is_the_fourth_root_of_the_power_of_its_band():
    measure, _ = sides(codec())
    wave = noise(HOP * 10)
    edges = band_edges(32, HOP, 8, 25.0)
    heard = measure(wave[:, None], Whole())[0].T.double()
    wanted = LEVEL * ((powers(wave, edges) + ROOT**4) ** 0.25 - ROOT)
    assert torch.allclose(heard, wanted, atol=1e-4)


@torch.no_grad()
def test_textures_have_the_powers_that_were_measured():
    edges = band_edges(32, HOP, 8, 25.0)
    (measure, sound), wave = sides(codec()), noise(HOP * 40)
    levels = measure(wave[:, None], Whole())
    made = sound(levels, Whole())[0, 0]
    ratio = (powers(made, edges).mean(0) / powers(wave, edges).mean(0)).log10() * 10
    # Less by the floor in a level, more by the small random weights beside the patterns.
    assert ratio.abs().max() < 1.0


@pytest.mark.parametrize("rate", [8000, 16000, 48000])
def test_a_stream_with_bands_has_the_bits_of_the_whole(rate: int):
    network, wave = codec(rate), noise(rate // 50 * 60, seed=3)
    codes = network.encode(wave)
    whole = network.decode(codes, wave.shape[-1])
    encoder, decoder = network.encoder_state(), network.decoder_state()
    pieces = [network.encode_step(p, encoder) for p in wave.split(network.hop * 7, -1)]
    assert torch.equal(torch.cat(pieces, -1), codes)
    sounds = [network.decode_step(p, decoder) for p in codes.split(7, -1)]
    assert torch.equal(torch.cat(sounds, -1), whole)


@torch.no_grad()
def test_use_with_bands_is_the_forward_of_training_up_to_rounding():
    network, wave = codec(), noise(16000, seed=2)
    trained = network(wave)
    assert (network.encode(wave) == trained.codes).float().mean() > 0.98
    used = network.decode(trained.codes, 16000)
    assert (used - trained.wave).abs().max() < 1e-3


def test_a_codec_with_bands_does_not_look_ahead_and_keeps_silence():
    network, wave = codec(), noise(6400)
    changed = torch.cat([wave[:, :3250], noise(3150, seed=5)], -1)
    before, after = (network.decode(network.encode(each), 6400) for each in (wave, changed))
    assert torch.equal(before[:, :3200], after[:, :3200])
    assert not torch.equal(before[:, 3200:], after[:, 3200:])
    quiet = torch.cat([noise(3200), torch.zeros(1, 16000)], -1)
    assert not network.decode(network.encode(quiet), 19200)[:, -6400:].any()


def test_gradients_of_levels_are_finite_in_silence():
    levels, textures = BandLevels(HOP, [40, 100, HOP]), BandTextures(HOP, 2)
    wave = torch.zeros(1, 1, HOP * 3, requires_grad=True)
    textures(levels(wave, Whole()), Whole()).square().sum().backward()
    assert wave.grad is not None
    assert wave.grad.isfinite().all()
