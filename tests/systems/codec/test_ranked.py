"""A codec whose rows follow the power of each frame: levels first, then the strongest rows."""

from itertools import pairwise
from typing import Literal

import pytest
import torch
from pydantic import ValidationError
from torch import Tensor

from wellposed.dsp.cosines import cosines
from wellposed.nn.causal import Whole
from wellposed.nn.exact import Stream
from wellposed.systems.codec.bands import LEVEL, ROOT, band_edges, levels_of
from wellposed.systems.codec.model import Codec
from wellposed.systems.codec.ranked import RankedQuantizer
from wellposed.systems.codec.ranks import LOUD, Powers, Told, key_of, odd_numbers, ranked
from wellposed.systems.codec.recipe import Model
from wellposed.systems.codec.spectrum import FILL, Filler, SpectrumDecoder, SpectrumEncoder
from wellposed.systems.codec.transform import start_as_transform

HOP, BANDS, CODED = 320, 8, 12
SMALL = Model(
    encoder_channels=(2, 8, 16, 32, 48),
    decoder_channels=(2, 8, 16, 32, 48),
    follow="power",
    quantizer="ema",
    latent=CODED + BANDS,
    bands=BANDS,
    stages=8,
    size=32,
    code_dims=4,
)


def noise(samples: int, seed: int = 0, batch: int = 1) -> Tensor:
    return 0.1 * torch.randn(batch, samples, generator=torch.Generator().manual_seed(seed))


def tone(hertz: float, samples: int) -> Tensor:
    return 0.1 * torch.sin(2 * torch.pi * hertz / 16000 * torch.arange(samples))[None]


def codec(model: Model = SMALL, rate: int = 16000) -> Codec:
    """Of the untrained transform, its books fitted to noise."""
    torch.manual_seed(0)
    made = Codec(model, rate).eval()
    start_as_transform(made)
    rows = made.latents(noise(rate, batch=4))
    made.quantizer.start(rows.detach(), torch.Generator().manual_seed(0))
    return made


def parts(network: Codec) -> tuple[RankedQuantizer, Filler]:
    assert isinstance(network.quantizer, RankedQuantizer)
    assert isinstance(network.decoder, SpectrumDecoder)
    return network.quantizer, network.decoder.filler


@pytest.fixture(name="powers")
def _powers() -> Powers:
    return Powers(band_edges(0, HOP, BANDS, 25.0))


def test_even_powers_are_told_of_every_row_and_nothing_of_silence(powers: Powers):
    levels = levels_of(torch.full((1, BANDS, 3), 0.04, dtype=torch.float64))
    assert torch.allclose(powers.amplitudes(levels), torch.tensor(LOUD * 0.2).double())
    total = powers.total(levels)
    assert torch.allclose(total, torch.tensor(HOP * 0.04 * LOUD**2).double())
    assert not powers.amplitudes(torch.zeros(1, BANDS, 2)).any()
    assert not powers.total(torch.zeros(1, BANDS, 2)).any()
    # A code may lie below nothing; it stands for nothing.
    assert not powers.amplitudes(torch.full((1, BANDS, 2), -0.1)).any()


def test_levels_are_those_of_the_orthonormal_transform(powers: Powers):
    wave = noise(HOP * 5)
    rows = (wave.double().reshape(-1, HOP) @ cosines(HOP, HOP).T).T
    edges = band_edges(0, HOP, BANDS, 25.0)
    wanted = [rows[a:b].square().mean(0) for a, b in pairwise(edges)]
    expected = LEVEL * ((torch.stack(wanted) + ROOT**4) ** 0.25 - ROOT)
    assert torch.allclose(powers.levels(LOUD * rows[None], Whole())[0], expected, atol=1e-12)


def test_between_middles_of_bands_the_root_goes_along_a_line(powers: Powers):
    levels = torch.zeros(1, BANDS, 1, dtype=torch.float64)
    levels[0, 3], levels[0, 4] = 0.3, 0.6
    edges = band_edges(0, HOP, BANDS, 25.0)
    low, high = ((edges[n] + edges[n + 1] - 1) / 2 for n in (3, 4))
    row = round((low + high) / 2)
    share = round((row - low) / (high - low) * 1024) / 1024
    root = (0.3 * (1 - share) + 0.6 * share) / LEVEL + ROOT
    wanted = LOUD * (root**4 - ROOT**4) ** 0.5
    assert float(powers.amplitudes(levels)[0, row, 0]) == pytest.approx(wanted, rel=1e-12)


def test_rows_come_by_amplitude_and_equal_ones_from_below():
    amplitudes = torch.tensor([1.0, 3.0, 2.0, 3.0, 0.0]).double()[None, :, None]
    ranks = ranked(amplitudes, 4)
    assert ranks.order[0, :, 0].tolist() == [1, 3, 2, 0]
    level = ((9 + 9 + 4 + 1) / 4) ** 0.5
    wanted = [level**0.75 * own**0.25 for own in (3.0, 3.0, 2.0, 1.0)]
    assert ranks.scale[0, :, 0].tolist() == pytest.approx(wanted)
    assert not ranked(torch.zeros(1, 5, 1), 4).scale.any()


@torch.no_grad()
def test_all_frequencies_pass_the_untrained_transform():
    network, wave = codec(SMALL.model_copy(update={"comb": 0.0})), noise(HOP * 20)
    made = network(wave, quantize=False).wave
    # What the small random weights beside it add.
    assert (made - wave).square().mean() < 0.01 * wave.square().mean()


@pytest.mark.parametrize("hertz", [200.0, 1500.0, 3700.0, 6900.0])
@torch.no_grad()
def test_the_strongest_row_of_a_tone_is_chosen_wherever_it_is(hertz: float):
    powers = Powers(band_edges(0, HOP, 24, 25.0))
    rows = LOUD * (tone(hertz, 16000).reshape(-1, HOP) @ cosines(HOP, HOP).T.float()).T[None]
    ranks = ranked(powers.amplitudes(powers.levels(rows, Whole())), 48)
    assert (ranks.order == rows.abs().argmax(1, keepdim=True)).any(1).all()


@torch.no_grad()
def test_as_many_rows_are_sent_as_said_and_none_by_the_first_stages():
    network, wave = codec(), noise(HOP * 10, seed=5)
    quantizer, _ = parts(network)
    assert (len(quantizer.levels.books), len(quantizer.rows.books)) == (2, 6)
    codes, tape = network.encode(wave), Stream()
    sent = [(quantizer.decode(codes[:, :n], tape)[:, :HOP] != 0).sum(1) for n in (1, 2, 3, 8)]
    assert not sent[0].any()
    assert not sent[1].any()
    assert int(sent[2].max()) <= CODED
    assert (sent[3] == CODED).all()


def test_the_gradient_reaches_sent_rows_and_levels_as_through_nothing():
    network = codec()
    quantizer, _ = parts(network)
    latent = network.encoder(noise(HOP * 6)[:, None], Whole()).detach().requires_grad_()
    audible = torch.ones(1, 6, dtype=torch.bool)
    made = quantizer(latent, torch.tensor([8]), audible)
    weights = torch.randn(made.value.shape, generator=torch.Generator().manual_seed(1))
    (pull,) = torch.autograd.grad((made.value * weights).sum(), latent)
    sent = made.value[:, :HOP] != 0
    assert torch.allclose(pull[:, :HOP][sent], weights[:, :HOP][sent], rtol=1e-4)
    assert not pull[:, :HOP][~sent].any()
    assert torch.equal(pull[:, HOP:-1], weights[:, HOP:-1])


@pytest.mark.parametrize("kind", ["ema", "factorised", "scalar"])
@torch.no_grad()
def test_training_and_use_are_the_same_codec(kind: Literal["ema", "factorised", "scalar"]):
    changes = {"quantizer": kind, "levels": (5, 5, 3)}
    network, wave = codec(SMALL.model_copy(update=changes)), noise(HOP * 50, seed=2)
    for stages in (2, 5, 8):
        trained = network(wave, stages)
        codes = network.encode(wave)
        made = network.decode(codes[:, :stages], wave.shape[-1])
        alike = (trained.codes[:, :stages] == codes[:, :stages]).all(1)[0]
        # Frames in which two codes are equally near may differ, those around them with them.
        assert alike.float().mean() > 0.9
        gap = (trained.wave - made).unflatten(-1, (-1, HOP)).square().mean(-1)[0]
        assert gap.sort().values[: len(gap) // 2].max() < 1e-6


@pytest.mark.parametrize("rate", [8000, 16000, 48000])
@pytest.mark.parametrize("frames", [1, 7])
def test_a_stream_has_the_bits_of_the_whole(rate: int, frames: int):
    network, wave = codec(rate=rate), noise(rate // 50 * 60, seed=3)
    codes = network.encode(wave)
    whole = network.decode(codes, wave.shape[-1])
    encoder, decoder = network.encoder_state(), network.decoder_state()
    pieces = [network.encode_step(p, encoder) for p in wave.split(network.hop * frames, -1)]
    assert torch.equal(torch.cat(pieces, -1), codes)
    sounds = [network.decode_step(p, decoder) for p in codes.split(frames, -1)]
    assert torch.equal(torch.cat(sounds, -1), whole)


@torch.no_grad()
def test_silence_has_code_zero_and_is_exact():
    network = codec()
    codes = network.encode(torch.zeros(1, HOP * 4))
    assert not codes.any()
    assert not network.decode(codes, HOP * 4).any()
    mixed = torch.cat([torch.zeros(1, HOP * 3), noise(HOP * 3)], -1)
    assert not network.decode(network.encode(mixed), HOP * 6)[:, : HOP * 3].any()


@torch.no_grad()
def test_no_frame_hears_the_next_one():
    network, wave = codec(), noise(HOP * 12, seed=4)
    changed = wave.clone()
    changed[:, HOP * 6 :] = noise(HOP * 6, seed=9)
    first, second = (network.decode(network.encode(each), HOP * 12) for each in (wave, changed))
    assert torch.equal(first[:, : HOP * 6], second[:, : HOP * 6])


def test_keys_are_exact_numbers_of_the_codes():
    codes = torch.randint(-1, 1024, (2, 12, 50), generator=torch.Generator().manual_seed(0))
    key = key_of(codes)
    assert torch.equal(key.float().double(), key)
    assert torch.equal(Stream().settle(key), key)
    assert torch.equal(key_of(codes.clamp(min=0)), key)
    assert not key_of(torch.zeros(1, 12, 3).long()).any()
    assert len(key.unique()) == key.numel()


def test_the_numbers_that_draw_noise_are_those_of_the_standard():
    # rand() of ISO/IEC 9899, its state from seed 1.
    assert odd_numbers(3, 31) == [1103527590 | 1, 377401575 | 1, 662824084 | 1]
    assert odd_numbers(2, 20) == [1103527590 >> 11 | 1, 377401575 >> 11 | 1]


@torch.no_grad()
def test_noise_is_drawn_anew_in_every_frame(powers: Powers):
    frames = 40
    codes = torch.randint(1024, (1, 12, frames), generator=torch.Generator().manual_seed(0))
    levels = levels_of(torch.full((1, BANDS, frames), 0.01))
    told = Told(torch.zeros(1, HOP, frames), levels, key_of(codes).float())
    signs = Filler(powers)(told, Whole())[0].sign()
    draws = HOP * (frames - 1)
    alike = int((signs[:, 1:] == signs[:, :-1]).sum())
    # Five standard deviations of fair coins.
    assert abs(alike - draws / 2) < 5 * (draws / 4) ** 0.5
    assert abs(float(signs.sum())) < 5 * (HOP * frames) ** 0.5


@torch.no_grad()
def test_noise_has_its_share_of_the_told_amplitude_where_nothing_was_sent(powers: Powers):
    levels = levels_of(torch.full((1, BANDS, 1), 0.01, dtype=torch.float64))
    rows = torch.zeros(1, HOP, 1, dtype=torch.float64)
    rows[0, :10] = 3.0
    made = Filler(powers)(Told(rows, levels, torch.zeros(1, 1, 1).double()), Stream())[0, :, 0]
    assert (made[:10] == 3.0).all()
    assert torch.allclose(made[10:].abs(), torch.tensor(FILL * LOUD * 0.1).double(), atol=1e-4)


@torch.no_grad()
def test_told_power_is_that_of_the_samples():
    network, wave = codec(), noise(HOP * 5)
    assert isinstance(network.encoder, SpectrumEncoder)
    assert isinstance(network.decoder, SpectrumDecoder)
    rows = network.encoder.blocks(wave[:, None], Whole())
    levels = network.encoder.powers.levels(rows, Whole())
    latent = Told(rows, levels, torch.zeros(1, 1, 5)).latent
    wanted = wave.reshape(1, 5, HOP).square().sum(-1)
    assert torch.allclose(network.decoder.told_power(latent), wanted, rtol=1e-4)
    network.decoder.correction.fill_(1.5)
    assert torch.allclose(network.decoder.told_power(latent), 1.5 * wanted, rtol=1e-4)


def test_power_cannot_be_followed_without_levels():
    for bands, stages in ((0, 8), (1, 8), (8, 1)):
        with pytest.raises(ValidationError, match="levels tell where the power is"):
            Model(follow="power", bands=bands, stages=stages)


def test_a_step_moves_networks_fill_and_books():
    network = codec().train()
    quantizer, filler = parts(network)
    before = quantizer.rows.stages[0].state_dict()["book"].clone()
    made = network(noise(HOP * 30, seed=7), generator=torch.Generator().manual_seed(0))
    made.wave.square().mean().backward()
    assert filler.share.grad is not None
    assert filler.share.grad.any()
    moved = [p.grad is not None and bool(p.grad.any()) for p in network.encoder.parameters()]
    assert all(moved)
    assert not torch.equal(quantizer.rows.stages[0].state_dict()["book"], before)
