"""State-space blocks: who sees whom, streaming, and an initialisation out of reach."""

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.testing import assert_close

from wellposed.nn.scan import selective_scan
from wellposed.nn.statespace import MEMORY, Mamba, Mamba2, Pace, StateSpace

FEATURES = 8
BLOCKS: dict[str, Callable[..., StateSpace]] = {
    "mamba": lambda **more: Mamba(FEATURES, states=4, **more),
    "mamba2": lambda **more: Mamba2(FEATURES, states=4, head=4, **more),
}


@pytest.fixture(params=BLOCKS)
def build(request: pytest.FixtureRequest) -> Callable[..., StateSpace]:
    torch.manual_seed(5)
    return BLOCKS[request.param]


def white(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def zero_biases(model: nn.Module) -> None:
    """Zero every bias and draw every matrix, as initialisers of whole models do."""
    for name, parameter in model.named_parameters():
        if "bias" in name:
            nn.init.zeros_(parameter)
        elif parameter.dim() > 1:
            nn.init.xavier_uniform_(parameter)


def linear_layers(model: nn.Module) -> None:
    for module in model.modules():
        if isinstance(module, nn.Linear | nn.Conv1d):
            nn.init.kaiming_normal_(module.weight)
            if module.bias is not None:
                nn.init.zeros_(module.bias)


def own_resets(model: nn.Module) -> None:
    for module in model.modules():
        reset = getattr(module, "reset_parameters", None)
        if reset is not None:
            reset()


def every(value: Callable[[Tensor], object]) -> Callable[[nn.Module], None]:
    def initialise(model: nn.Module) -> None:
        for parameter in model.parameters():
            value(parameter)

    return initialise


INITIALISERS: dict[str, Callable[[nn.Module], None]] = {
    "none": lambda model: None,
    "zero biases, xavier": zero_biases,
    "kaiming in linear layers": linear_layers,
    "reset_parameters": own_resets,
    "all zero": every(nn.init.zeros_),
    "all one": every(nn.init.ones_),
    "normal 0.02": every(lambda p: nn.init.normal_(p, std=0.02)),
    "normal 1": every(nn.init.normal_),
    "uniform 10": every(lambda p: nn.init.uniform_(p, -10, 10)),
    "constant 100": every(lambda p: nn.init.constant_(p, 100.0)),
    "constant -100": every(lambda p: nn.init.constant_(p, -100.0)),
}


@pytest.mark.parametrize("initialiser", INITIALISERS)
@pytest.mark.parametrize("bidirectional", [False, True])
def test_after_any_initialiser_the_memory_is_between_10_and_1000_frames(
    build: Callable[..., StateSpace], bidirectional: bool, initialiser: str
):
    block = build(bidirectional=bidirectional)
    INITIALISERS[initialiser](block)
    memories = block.memories()
    assert (memories >= MEMORY[0] * 0.999).all()
    assert (memories <= MEMORY[1] * 1.001).all()
    assert MEMORY == (10, 1000)


@pytest.mark.parametrize("initialiser", ["none", "zero biases, xavier", "all zero", "normal 0.02"])
def test_after_the_usual_initialisers_memories_still_spread_over_a_decade(
    build: Callable[..., StateSpace], initialiser: str
):
    block = build(channels=8 * FEATURES)
    INITIALISERS[initialiser](block)
    memories = block.memories()
    assert memories.max() / memories.min() > 10


@pytest.mark.parametrize("initialiser", ["zero biases, xavier", "normal 0.02", "all zero"])
def test_the_usual_initialisers_leave_the_states_apart(initialiser: str):
    block = Mamba(FEATURES, states=8)
    INITIALISERS[initialiser](block)
    rates = next(m for m in block.modules() if type(m).__name__ == "Decay")()
    assert (rates < 0).all()
    assert rates[:, -1].mean() / rates[:, 0].mean() > 3


def test_the_step_at_rest_is_the_step_of_a_blank_input():
    pace = Pace(64)
    assert_close(pace(torch.zeros(1, 64))[0], pace.rest(), rtol=1e-5, atol=0)


def test_memories_start_evenly_on_a_log_scale():
    # Places 0.1 + 0.8 (k + 1/2) / n of the way from 1000 down to 10 frames.
    logs = Pace(100).rest().reciprocal().log10()
    assert_close(logs, 3 - 2 * (0.1 + 0.8 * (torch.arange(100) + 0.5) / 100), rtol=0, atol=1e-5)


def test_the_start_is_saved_with_the_weights(build: Callable[..., StateSpace]):
    block, other = build(), build()
    with torch.no_grad():
        for buffer in other.buffers():
            buffer.add_(0.5)
    other.load_state_dict(block.state_dict())
    x = white(2, 9, FEATURES)
    assert torch.equal(block(x), other(x))


def test_every_weight_receives_a_gradient(build: Callable[..., StateSpace]):
    block = build(bidirectional=True)
    block(white(2, 30, FEATURES)).square().sum().backward()
    for name, parameter in block.named_parameters():
        assert parameter.grad is not None, name
        assert (parameter.grad != 0).any(), name


@pytest.mark.parametrize("frame", [0, 5, 11])
def test_a_causal_block_reaches_the_present_and_the_future(
    build: Callable[..., StateSpace], frame: int
):
    block, x = build(), white(1, 12, FEATURES)
    other = x.clone()
    other[0, frame] += 1
    changed = (block(other) != block(x)).any(-1)[0]
    assert torch.equal(changed, torch.arange(12) >= frame)
    assert block.causal


def test_a_bidirectional_block_reaches_all_frames(build: Callable[..., StateSpace]):
    block, x = build(bidirectional=True), white(1, 12, FEATURES)
    other = x.clone()
    other[0, 5] += 1
    assert (block(other) != block(x)).any(-1).all()
    assert not block.causal


def test_a_bidirectional_block_is_the_sum_of_both_ways(build: Callable[..., StateSpace]):
    # With one set of weights for both ways, turning the input around turns the output around.
    block, x = build(bidirectional=True), white(2, 12, FEATURES)
    assert block.back is not None
    block.back.load_state_dict(block.forth.state_dict())
    assert_close(block(x.flip(1)), block(x).flip(1), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("hold", ["exact", "euler"])
def test_frame_by_frame_is_the_whole(build: Callable[..., StateSpace], hold: str):
    block, x = build(hold=hold), white(2, 40, FEATURES)
    state, frames = block.rest(x), []
    for frame in x.unbind(1):
        y, state = block.step(frame, state)
        frames.append(y)
    assert_close(torch.stack(frames, 1), block(x), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("sizes", [(1,) * 40, (0, 3, 1, 36), (39, 0, 1)])
def test_pieces_of_any_size_are_the_whole(build: Callable[..., StateSpace], sizes: tuple[int, ...]):
    block, x = build(), white(2, 40, FEATURES)
    state, pieces = block.rest(x), []
    for piece in x.split(list(sizes), 1):
        y, state = block.walk(piece, state)
        pieces.append(y)
    assert_close(torch.cat(pieces, 1), block(x), rtol=1e-5, atol=1e-5)


def test_a_block_that_looks_ahead_does_not_stream(build: Callable[..., StateSpace]):
    block, x = build(bidirectional=True), white(1, 3, FEATURES)
    with pytest.raises(ValueError, match="use forward"):
        block.walk(x, block.rest(x))
    with pytest.raises(ValueError, match="use forward"):
        block.step(x[:, 0], block.rest(x))


def test_mamba_is_its_formula():
    block, x = Mamba(FEATURES, states=4), white(2, 11, FEATURES)
    with torch.no_grad():
        for parameter in block.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    way = block.forth
    weights = dict(way.named_parameters())
    gate, inner = torch.chunk(x @ block.into.weight.T, 2, -1)
    padded = torch.cat([torch.zeros(2, 3, 16), inner], 1)
    taps = weights["conv.conv.weight"][:, 0]
    mixed = sum(padded[:, k : k + 11] * taps[:, k] for k in range(4)) + weights["conv.conv.bias"]
    u = mixed * torch.sigmoid(mixed)
    raw, b, c = (u @ weights["select.weight"].T).split([1, 4, 4], -1)
    rest = way.pace.rest()
    dt = torch.log1p(torch.exp(raw @ weights["step_of.weight"].T) * torch.expm1(rest))
    rates = -torch.arange(1.0, 5) * weights["decay.shift"].exp()
    y, _ = selective_scan(u, dt, rates, b, c, 1 + weights["skip"])
    wanted = (y * gate * torch.sigmoid(gate)) @ block.out.weight.T
    assert_close(block(x), wanted, rtol=1e-4, atol=1e-5)


def test_heads_that_do_not_divide_are_refused():
    with pytest.raises(ValueError, match="16 channels do not divide into heads of 5"):
        Mamba2(8, head=5)


def test_the_number_of_parameters_follows_from_the_sizes():
    # d = 2 f channels, rank r = 1: into 2 d f, conv 5 d, select d (r + 2 n), step r d, pace d,
    # decay d n, skip d, out d f.
    f, d, n = FEATURES, 2 * FEATURES, 4
    wanted = 3 * d * f + 5 * d + d * (1 + 2 * n) + d + d + d * n + d
    assert sum(p.numel() for p in Mamba(f, states=n).parameters()) == wanted


def test_half_precision_keeps_step_and_state_in_float32(build: Callable[..., StateSpace]):
    block, x = build(), white(1, 50, FEATURES)
    with torch.autocast("cpu", torch.bfloat16):
        y, state = block.walk(x, block.rest(x))
    assert state.h.dtype == torch.float32
    assert y.isfinite().all()
    assert (y - block(x)).abs().max() < 0.05 * block(x).abs().max()


def test_a_minute_of_noise_leaves_the_state_bounded(build: Callable[..., StateSpace]):
    # 60 s at 100 frames a second; the state is a mean of |B u / A|, and |A| >= 1 at the start.
    block, x = build(), 10 * white(1, 6000, FEATURES)
    with torch.no_grad():
        state, largest = block.rest(x), []
        for piece in x.split(1000, 1):
            _, state = block.walk(piece, state)
            largest.append(state.h.abs().max().item())
    assert max(largest) < math.inf
    assert largest[-1] < 10 * largest[0]
