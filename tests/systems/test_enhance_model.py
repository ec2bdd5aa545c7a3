"""The network: exact length and silence, level, causality to the bit, and who reaches whom.

A fresh network is near the identity, whose output says little about it. `loud` widens its last
layer, so that every output depends strongly on everything that the network may know.
"""

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from wellposed.systems.enhance.model import Bsrnn
from wellposed.systems.enhance.recipe import SIZES, Model

TINY = Model(features=8, hidden=6, depth=2, taps_hidden=8)
RATES = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000)


def loud(*, causal: bool = False, rate: int = 16000, recipe: Model = TINY, seed: int = 0) -> Bsrnn:
    """A network whose taps are far from the identity."""
    torch.manual_seed(seed)
    model = Bsrnn(recipe.model_copy(update={"causal": causal}), rate)
    with torch.no_grad():
        model.taps.outer.mul_(20)
    return model.eval()


def white(samples: int, batch: int = 1, seed: int = 0, level: float = 0.1) -> Tensor:
    made = torch.Generator().manual_seed(seed)
    return level * torch.randn(batch, samples, generator=made)


@torch.no_grad()
def enhance(model: Bsrnn, noisy: Tensor) -> Tensor:
    return model(noisy)


def test_the_loud_network_is_far_from_the_identity():
    noisy = white(8000)
    change = enhance(loud(), noisy) - noisy
    assert change.square().mean() > 0.1 * noisy.square().mean()


def test_a_fresh_network_returns_about_its_input():
    torch.manual_seed(0)
    noisy = white(8000)
    for causal in (False, True):
        made = enhance(Bsrnn(TINY.model_copy(update={"causal": causal}), 16000), noisy)
        assert (made - noisy).square().mean() < 0.01 * noisy.square().mean()


@pytest.mark.parametrize("causal", [False, True])
def test_the_output_has_the_inputs_length_from_one_sample_up(causal: bool):
    model = loud(causal=causal)
    for samples in (1, 2, 255, 256, 257, 511, 512, 513, 1000, 4001):
        made = enhance(model, white(samples, batch=2))
        assert made.shape == (2, samples)
        assert made.isfinite().all()


@pytest.mark.parametrize("causal", [False, True])
def test_exact_silence_stays_exact_silence(causal: bool):
    for samples in (1, 700, 4000):
        assert torch.equal(
            enhance(loud(causal=causal), torch.zeros(1, samples)), torch.zeros(1, samples)
        )


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("gain", [1e-2, 0.3, 10.0])
def test_the_output_follows_the_level_of_the_input(causal: bool, gain: float):
    model, noisy = loud(causal=causal), white(8000)
    wanted = gain * enhance(model, noisy)
    # The floor of 1e-10 beside a power of (0.01 * 0.1) ** 2 = 1e-6 moves features by 5e-5.
    assert_close(
        enhance(model, gain * noisy), wanted, rtol=0, atol=1e-3 * wanted.abs().max().item()
    )


def test_every_example_of_a_batch_gets_what_it_gets_alone():
    model, noisy = loud(), torch.cat([white(3000), white(3000, seed=1, level=1e-3)])
    together = enhance(model, noisy)
    for k in (0, 1):
        alone = enhance(model, noisy[k : k + 1])
        assert_close(together[k : k + 1], alone, rtol=0, atol=1e-5 * alone.abs().max().item())


@pytest.mark.parametrize("rate", [8000, 16000, 44100])
@pytest.mark.parametrize("change", ["noise", "loud", "silence"])
def test_the_causal_network_never_looks_past_its_window_bit_for_bit(rate: int, change: str):
    model = loud(causal=True, rate=rate)
    hop, latency = model.stft.hop, model.stft.window - 1
    assert model.latency_samples == latency
    noisy = white(9 * hop + 17)
    before = enhance(model, noisy)
    for start in (5 * hop, 5 * hop + 100, 7 * hop - 1, 9 * hop + 16):
        other = noisy.clone()
        tail = other[:, start:]
        tail.copy_(
            {"noise": white(tail.shape[1], seed=5), "loud": 1e3 * tail, "silence": 0 * tail}[change]
        )
        made = enhance(model, other)
        assert torch.equal(made[:, : start - latency], before[:, : start - latency])
        assert change == "silence" or not torch.equal(made, before)


@pytest.mark.parametrize("rate", [8000, 16000, 44100])
def test_the_length_of_the_future_changes_nothing_but_rounding(rate: int):
    # Not the same bits: matrix products of other sizes take other kernels, which sum in another
    # order. Half a dozen roundings of 2 ** -24 are 4e-7; a look ahead would show as 1e-1.
    model = loud(causal=True, rate=rate)
    noisy = white(9 * model.stft.hop + 17)
    before = enhance(model, noisy)
    start = 6 * model.stft.hop + 5
    kept = start - (model.stft.window - 1)
    for tail in (noisy[:, :0], white(1, seed=6), 10 * white(3 * noisy.shape[1], seed=6)):
        made = enhance(model, torch.cat((noisy[:, :start], tail), dim=1))
        assert_close(
            made[:, :kept], before[:, :kept], rtol=0, atol=2e-6 * before.abs().max().item()
        )


def test_the_stated_latency_is_no_longer_than_it_must_be():
    # Sample n needs the last frame that holds it; with n at the start of a frame that frame ends
    # window - 1 samples later. The synthesis window is zero at its first sample, so the change
    # shows one sample later.
    model, noisy = loud(causal=True), white(5000)
    start = 8 * model.stft.hop - 1
    other = noisy.clone()
    other[:, start] += 0.5
    changed = (enhance(model, other) != enhance(model, noisy))[0].nonzero().flatten()
    assert changed[0].item() == start - (model.stft.window - 1) + 1


def test_the_network_with_lookahead_uses_the_future():
    model, noisy = loud(causal=False), white(8000)
    other = noisy.clone()
    other[:, 7000:] = white(1000, seed=5)
    assert model.latency_samples is None
    assert (enhance(model, other) != enhance(model, noisy))[0, :1000].any()


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("band", [0, 13, 27])
def test_one_band_reaches_the_taps_of_all_bands(causal: bool, band: int):
    model = loud(causal=causal)
    widths = list(model.split.widths)
    made = torch.Generator().manual_seed(0)
    features = torch.randn(1, 6, model.stft.bins, generator=made, dtype=torch.complex64)
    other = features.clone()
    other.split(widths, dim=2)[band].mul_(3.0)

    def taps(spectrum: Tensor) -> Tensor:
        with torch.no_grad():
            return model.taps(model.paths(model.split(spectrum)))

    change = (taps(other) - taps(features)).abs().sum((0, 1, 3))
    assert all(part.max() > 1e-5 for part in change.split(widths))


def test_a_tone_added_to_one_band_changes_the_others():
    # Two seconds, so that beside the tone's own band its window's side lobes are 80 dB down.
    model, noisy = loud(), white(8000)
    tone = 0.5 * torch.sin(2 * torch.pi * 500 * torch.arange(8000) / 16000)
    filtered = model.stft.forward(enhance(model, noisy + tone) - enhance(model, noisy))
    direct = model.stft.forward(tone[None])
    far = slice(128, 257)  # 4 kHz and up, from a tone at 500 Hz
    inner = slice(4, -4)
    added = direct[:, inner, far].abs().square().mean()
    assert filtered[:, inner, far].abs().square().mean() > 100 * added


@pytest.mark.parametrize("rate", [*RATES, 9999, 13001, 37123])
def test_every_rate_from_8_to_48_khz_builds_and_runs(rate: int):
    model = loud(rate=rate)
    noisy = white(rate // 10)
    made = enhance(model, noisy)
    assert made.shape == noisy.shape
    assert made.isfinite().all()
    assert model.stft.bin_hz == pytest.approx(31.25, rel=5e-3)


@pytest.mark.parametrize(
    ("size", "least", "most"),
    [
        ("tiny", 90e3, 120e3),
        ("small", 400e3, 500e3),
        ("medium", 1.2e6, 2e6),
        ("large", 2.7e6, 3.3e6),
    ],
)
def test_the_sizes_have_about_the_parameters_they_are_named_for(
    size: str, least: float, most: float
):
    assert least <= sum(p.numel() for p in Bsrnn(SIZES[size], 16000).parameters()) <= most


def test_the_sizes_rise_and_share_everything_but_widths():
    names = ["tiny", "small", "medium", "large"]
    assert list(SIZES)[:4] == names
    widths = {"features", "hidden", "depth", "taps_hidden"}
    rest = [SIZES[name].model_dump(exclude=widths) for name in names]
    assert all(values == rest[0] for values in rest)


@pytest.mark.parametrize("causal", [False, True])
def test_mixed_precision_gives_about_the_same_and_returns_float32(causal: bool):
    model, noisy = loud(causal=causal), white(4000)
    wanted = enhance(model, noisy)
    with torch.autocast("cpu", torch.bfloat16):
        made = enhance(model, noisy)
    assert made.dtype == torch.float32
    # bfloat16 has steps of 2 ** -8; through the layers they add up to a few percent.
    assert (made - wanted).square().mean() < 0.05**2 * wanted.square().mean()


def test_the_same_seed_builds_the_same_network():
    first, second, third = loud(seed=1), loud(seed=1), loud(seed=2)
    noisy = white(1000)
    assert torch.equal(enhance(first, noisy), enhance(second, noisy))
    assert not torch.equal(enhance(first, noisy), enhance(third, noisy))
