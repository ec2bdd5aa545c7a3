"""The batched band split against one module per band: the same numbers, the same gradients."""

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from wellposed.nn.bandsplit import BandSplit, BandTaps

WIDTHS = (1, 1, 3, 2, 5, 4, 8)
BINS, FEATURES, HIDDEN, TAPS = sum(WIDTHS), 6, 5, 3


@pytest.fixture(scope="module")
def per_band() -> ModuleType:
    """The form that the benchmark races against, so that the race is between equals."""
    path = Path(__file__).resolve().parents[2] / "benchmarks" / "per_band.py"
    spec = importlib.util.spec_from_file_location("per_band", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def white(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def make_split() -> BandSplit:
    torch.manual_seed(1)
    return BandSplit(WIDTHS, FEATURES).double()


def make_taps(identity: int = 1) -> BandTaps:
    torch.manual_seed(2)
    return BandTaps(WIDTHS, FEATURES, HIDDEN, TAPS, identity=identity)


def test_the_split_equals_one_linear_layer_per_band(per_band: ModuleType):
    batched, spectrum = make_split(), white(2, 3, BINS, dtype=torch.complex128)
    made = batched(spectrum)
    assert made.shape == (2, 3, len(WIDTHS), FEATURES)
    assert_close(made, per_band.SplitPerBand(batched, WIDTHS)(spectrum))


def test_the_gradients_of_the_split_equal_those_of_one_layer_per_band(per_band: ModuleType):
    batched = make_split()
    single = per_band.SplitPerBand(batched, WIDTHS)
    inputs = [white(2, 3, BINS, dtype=torch.complex128).requires_grad_() for _ in range(2)]
    outer = white(2, 3, len(WIDTHS), FEATURES, seed=3)
    for module, spectrum in zip((batched, single), inputs, strict=True):
        (module(spectrum) * outer).sum().backward()
    assert_close(inputs[0].grad, inputs[1].grad)
    weights = torch.cat([band.weight.grad.T.reshape(-1, 2, FEATURES) for band in single.bands])
    assert_close(batched.weight.grad, weights)
    biases = torch.stack([band.bias.grad for band in single.bands])
    assert_close(batched.bias.grad, biases[:, None])


def test_the_taps_equal_two_linear_layers_per_band(per_band: ModuleType):
    batched, features = make_taps(), white(2, 3, len(WIDTHS), FEATURES, dtype=torch.float32)
    made = batched(features)
    assert made.shape == (2, 3, BINS, TAPS)
    assert_close(made, per_band.TapsPerBand(batched, WIDTHS)(features))


def test_the_gradients_of_the_taps_equal_those_of_layers_per_band(per_band: ModuleType):
    batched = make_taps()
    single = per_band.TapsPerBand(batched, WIDTHS)
    start = white(2, 3, len(WIDTHS), FEATURES, dtype=torch.float32)
    inputs = [start.clone().requires_grad_() for _ in range(2)]
    outer = white(2, 3, BINS, TAPS, seed=3, dtype=torch.complex64)
    for module, features in zip((batched, single), inputs, strict=True):
        (module(features) * outer).real.sum().backward()
    assert_close(inputs[0].grad, inputs[1].grad)
    first, last = ([band[i] for band in single.bands] for i in (0, 2))
    wanted = {
        "inner": torch.stack([layer.weight.grad.T for layer in first]),
        "inner_bias": torch.stack([layer.bias.grad for layer in first])[:, None],
        "outer": torch.cat([layer.weight.grad.view(-1, 2 * TAPS, HIDDEN) for layer in last]),
        "outer_bias": torch.cat([layer.bias.grad.view(-1, TAPS, 2) for layer in last]),
        "norm.weight": single.norm.weight.grad,
        "norm.bias": single.norm.bias.grad,
    }
    for name, parameter in batched.named_parameters():
        assert_close(
            parameter.grad, wanted.pop(name), msg=lambda text, name=name: f"{name}: {text}"
        )
    assert not wanted


def test_a_band_is_made_of_its_own_bins_alone():
    split, spectrum = make_split(), white(1, 1, BINS, dtype=torch.complex128)
    before, start = split(spectrum), 0
    for band, width in enumerate(WIDTHS):
        other = spectrum.clone()
        other[..., start : start + width] += 1
        assert (split(other) != before).any(-1)[0, 0].nonzero().flatten().tolist() == [band]
        start += width


def test_the_taps_of_a_bin_come_from_its_own_band_alone():
    taps = make_taps()
    features = white(1, 1, len(WIDTHS), FEATURES, dtype=torch.float32)
    before, start = taps(features), 0
    for band, width in enumerate(WIDTHS):
        other = features.clone()
        other[..., band, 0] += 1
        changed = (taps(other) != before).any(-1)[0, 0].nonzero().flatten().tolist()
        assert changed == list(range(start, start + width))
        start += width


def test_padding_is_no_parameter():
    # 2 * bins * features weights and a bias per band and feature, whatever the widest band.
    assert sum(p.numel() for p in make_split().parameters()) == FEATURES * (2 * BINS + len(WIDTHS))
    wanted = len(WIDTHS) * (FEATURES + 1) * HIDDEN + 2 * TAPS * BINS * (HIDDEN + 1) + 2 * FEATURES
    assert sum(p.numel() for p in make_taps().parameters()) == wanted


def test_every_weight_receives_a_gradient():
    split, taps = make_split().float(), make_taps()
    spectrum = white(4, 5, BINS, dtype=torch.complex64)
    torch.view_as_real(taps(split(spectrum))).square().sum().backward()
    for name, parameter in (*split.named_parameters(), *taps.named_parameters()):
        assert parameter.grad is not None, name
        assert (parameter.grad != 0).all(), name


def test_the_split_starts_with_the_spread_of_a_linear_layer():
    # Uniform in +-(2 width) ** -0.5: standard deviation of that over sqrt(3), per band.
    torch.manual_seed(0)
    widths = (1, 4, 16)
    split = BandSplit(widths, 4000)
    for weight, bias, width in zip(split.weight.split(widths), split.bias, widths, strict=True):
        bound = (2 * width) ** -0.5
        for start in (weight, bias):
            assert start.abs().max().item() == pytest.approx(bound, rel=2e-3)
            assert start.abs().max() <= bound
            assert start.std().item() == pytest.approx(bound / 3**0.5, rel=0.05)


@pytest.mark.parametrize("identity", [0, 1, 2])
def test_the_taps_start_near_the_identity(identity: int):
    taps = make_taps(identity)(white(4, 9, len(WIDTHS), FEATURES, dtype=torch.float32))
    wanted = torch.zeros(TAPS)
    wanted[identity] = 1
    # Outer weights up to 0.1 / sqrt(hidden) times tanh: at most 0.1 * sqrt(hidden) = 0.22 away.
    assert_close(taps.real, wanted.expand(4, 9, BINS, TAPS), rtol=0, atol=0.1 * HIDDEN**0.5)
    assert (taps.real - wanted).std() < 0.06
    assert taps.imag.std() < 0.06


def test_saved_weights_hold_no_index_tables():
    # They follow from the widths; saved, they could disagree with them.
    assert set(make_split().state_dict()) == {"weight", "bias"}
    assert "slot" not in make_taps().state_dict()
    assert "source" not in make_taps().state_dict()


def test_half_precision_keeps_the_identity_exact():
    # Taps of 1 + small in bfloat16 would be rounded to steps of 2 ** -8 = 0.4 %.
    taps = make_taps()
    with torch.no_grad():
        taps.outer.zero_()
    with torch.autocast("cpu", torch.bfloat16):
        made = taps(white(1, 2, len(WIDTHS), FEATURES, dtype=torch.float32))
    assert made.dtype == torch.complex64
    assert torch.equal(made[..., 1], torch.ones(1, 2, BINS, dtype=torch.complex64))
