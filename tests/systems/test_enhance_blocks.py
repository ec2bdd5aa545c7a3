"""LSTM, Mamba and Mamba-2 in the one network: who reaches whom, what is remembered."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.testing import assert_close

from wellposed.dsp.stft import Stft
from wellposed.nn.dualpath import BLOCKS, Block
from wellposed.nn.statespace import MEMORY, StateSpace
from wellposed.systems.enhance.model import Bsrnn
from wellposed.systems.enhance.recipe import SIZES, EnhanceRecipe, Model

SCANNED: tuple[Block, ...] = ("mamba", "mamba2")
TINY = Model(features=8, hidden=8, states=4, depth=2, taps_hidden=8)
LATENCY_MS = 40.0
"""Most that the causal presets may need of the future."""


def loud(block: Block, *, causal: bool = False) -> Bsrnn:
    """A network whose taps are far from the identity."""
    torch.manual_seed(0)
    model = Bsrnn(TINY.model_copy(update={"block": block, "causal": causal}), 16000)
    with torch.no_grad():
        model.taps.outer.mul_(20)
    return model.eval()


def white(samples: int, seed: int = 0) -> Tensor:
    return 0.1 * torch.randn(1, samples, generator=torch.Generator().manual_seed(seed))


def scans(model: nn.Module) -> list[StateSpace]:
    return [module for module in model.modules() if isinstance(module, StateSpace)]


@pytest.mark.parametrize("block", BLOCKS)
@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("band", [0, 13, 27])
@torch.no_grad()
def test_one_band_moves_all_the_others(block: Block, causal: bool, band: int):
    model = loud(block, causal=causal)
    widths = list(model.split.widths)
    made = torch.Generator().manual_seed(0)
    features = torch.randn(1, 6, model.stft.bins, generator=made, dtype=torch.complex64)
    other = features.clone()
    other.split(widths, dim=2)[band].mul_(3.0)
    change = model.taps(model.paths(model.split(other))) - model.taps(
        model.paths(model.split(features))
    )
    moved = change.abs().sum((0, 1, 3)).split(widths)
    # Bands without a way to each other would give the same bits: the same sums of the same numbers.
    assert all(part.max() > 0 for part in moved)


@pytest.mark.parametrize("block", BLOCKS)
@torch.no_grad()
def test_the_causal_network_never_looks_past_its_window_bit_for_bit(block: Block):
    model = loud(block, causal=True)
    hop, latency = model.stft.hop, model.stft.window - 1
    noisy = white(9 * hop + 17)
    before = model(noisy)
    for start in (5 * hop, 7 * hop - 1, 9 * hop + 16):
        other = noisy.clone()
        other[:, start:] = 1e3 * white(noisy.shape[1] - start, seed=5)
        made = model(other)
        assert torch.equal(made[:, : start - latency], before[:, : start - latency])
        assert not torch.equal(made, before)


@pytest.mark.parametrize("block", BLOCKS)
@torch.no_grad()
def test_the_network_with_lookahead_uses_the_future_through_every_time_path(block: Block):
    model, noisy = loud(block), white(8000)
    other = noisy.clone()
    other[:, 7000:] = white(1000, seed=5)
    assert (model(other) != model(noisy))[0, :1000].any()
    assert all(path.bidirectional for path in model.paths.paths)


@pytest.mark.parametrize("block", BLOCKS)
@torch.no_grad()
def test_frame_by_frame_and_in_pieces_the_causal_paths_give_what_they_give_at_once(block: Block):
    paths = loud(block, causal=True).paths
    x = torch.randn(2, 11, 5, TINY.features, generator=torch.Generator().manual_seed(1))
    wanted = paths(x)
    states, frames = paths.rest(x), []
    for frame in x.unbind(1):
        made, states = paths.step(frame, states)
        frames.append(made)
    assert_close(torch.stack(frames, 1), wanted, rtol=0, atol=1e-5)
    states, pieces = paths.rest(x), []
    for piece in x.split([1, 0, 7, 3], 1):
        made, states = paths.walk(piece, states)
        pieces.append(made)
    assert_close(torch.cat(pieces, 1), wanted, rtol=0, atol=1e-5)


def test_paths_without_a_state_to_carry_say_so():
    paths = loud("mamba").paths
    x = torch.zeros(1, 3, 5, TINY.features)
    with pytest.raises(ValueError, match="one way"):
        paths.walk(x, paths.rest(x))


@torch.no_grad()
def zero_biases(module: nn.Module) -> None:
    if isinstance(module, nn.Linear):
        nn.init.xavier_uniform_(module.weight)
        if module.bias is not None:
            module.bias.zero_()


@torch.no_grad()
def zero_everything(module: nn.Module) -> None:
    for parameter in module.parameters(recurse=False):
        parameter.zero_()


@torch.no_grad()
def wide_normal(module: nn.Module) -> None:
    for parameter in module.parameters(recurse=False):
        parameter.normal_(0, 3.0)


@pytest.mark.parametrize("block", SCANNED)
@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("initialise", [None, zero_biases, zero_everything, wide_normal])
def test_no_initialiser_over_the_whole_network_wipes_out_its_memory(
    block: Block, causal: bool, initialise: Callable[[nn.Module], None] | None
):
    torch.manual_seed(0)
    model = Bsrnn(SIZES["mbs-small"].model_copy(update={"block": block, "causal": causal}), 16000)
    if initialise is not None:
        model.apply(initialise)
    blocks = scans(model)
    assert len(blocks) == 2 * SIZES["mbs-small"].depth
    for each in blocks:
        memories = each.memories()
        assert (memories >= 0.999 * MEMORY[0]).all()
        assert (memories <= 1.001 * MEMORY[1]).all()
    assert MEMORY == (10, 1000)


@pytest.mark.parametrize("block", SCANNED)
def test_every_parameter_of_a_scanned_network_receives_a_gradient(block: Block):
    model = loud(block).train()
    with torch.autocast("cpu", torch.bfloat16):
        made = model(white(8000))
    (made - white(8000, 1)).square().mean().backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        assert parameter.grad.any(), name


@pytest.mark.parametrize(
    "size", ["mbs-small", "mbs2-small", "bsrnn-causal", "mbs-causal", "mbs2-causal"]
)
def test_presets_to_be_compared_have_the_parameters_of_small_within_a_tenth(size: str):
    counts = [
        sum(p.numel() for p in Bsrnn(SIZES[name], 16000).parameters()) for name in (size, "small")
    ]
    assert abs(counts[0] / counts[1] - 1) < 0.1


@pytest.mark.parametrize("size", ["bsrnn-causal", "mbs-causal", "mbs2-causal"])
def test_the_causal_presets_need_at_most_40_ms_of_the_future(size: str):
    recipe = SIZES[size]
    assert recipe.causal
    window = Stft.of_duration(16000, recipe.window_ms, recipe.hop_ms).window
    assert 1000 * window / 16000 <= LATENCY_MS


def test_a_recipe_of_before_there_were_blocks_is_that_of_an_lstm():
    old = EnhanceRecipe().model_dump(mode="json")
    del old["model"]["block"], old["model"]["states"]
    assert EnhanceRecipe.model_validate(old) == EnhanceRecipe()
    assert EnhanceRecipe().model.block == "lstm"
