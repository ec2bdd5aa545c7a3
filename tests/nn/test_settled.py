"""Settled paths against the paths they are made from, in tensor operations and in float64."""

from collections.abc import Callable, Iterator
from copy import deepcopy
from pathlib import Path as File

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from wellposed.nn import settled
from wellposed.nn.dualpath import DualPath, State, StateSpacePath
from wellposed.nn.scan import build, compiled
from wellposed.nn.settled import SettledPath, settle
from wellposed.nn.statespace import Mamba, Mamba2

pytestmark = pytest.mark.skipif(compiled.unavailable() is not None, reason="no C++ compiler")

FEATURES = 7
BLOCKS = {
    "mamba": lambda **more: Mamba(FEATURES, channels=18, states=3, **more),
    "mamba, wide": lambda **more: Mamba(FEATURES, channels=48, states=9, taps=3, **more),
    "mamba2": lambda **more: Mamba2(FEATURES, channels=18, head=6, states=5, **more),
    "mamba2, wide": lambda **more: Mamba2(FEATURES, channels=32, states=16, taps=2, **more),
}


def white(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(3))


@pytest.fixture(params=BLOCKS)
def build_path(request: pytest.FixtureRequest) -> Callable[..., StateSpacePath]:
    """A path along an axis whose weights are far from its start, and from each other."""

    def make(axis: str, scale: float = 1.0) -> StateSpacePath:
        torch.manual_seed(11)
        block = BLOCKS[request.param](bidirectional=axis == "bands")
        path = StateSpacePath(axis, FEATURES, block).eval().requires_grad_(False)
        for parameter in path.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter)).mul_(scale)
        return path

    return make


@pytest.fixture
def fresh(tmp_path: File, monkeypatch: pytest.MonkeyPatch) -> Iterator[File]:
    """A process that has not built the kernel yet, and the folder it would build in."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    settled._load.cache_clear()
    yield tmp_path
    settled._load.cache_clear()


def in_float64(path: StateSpacePath) -> StateSpacePath:
    """The same function with more digits; a norm's smallest power is that of float32 still."""
    wide = deepcopy(path).double()
    for module in wide.modules():
        if isinstance(module, torch.nn.RMSNorm):
            module.eps = torch.finfo(torch.float32).eps
    return wide


def assert_rounded_alike(ours: Tensor, plain: Tensor, exact: Tensor) -> None:
    """What float32 cannot resolve here is what the tensor operations miss; 2e-6 is 17 roundings."""
    missed = [((found - exact).abs().max() / exact.abs().max()).item() for found in (ours, plain)]
    assert missed[0] <= 2 * missed[1] + 2e-6, missed


def small() -> DualPath:
    torch.manual_seed(0)
    paths = DualPath(FEATURES, 16, 2, causal=True, block="mamba", states=4)
    return paths.eval().requires_grad_(False)


@pytest.mark.parametrize("scale", [1.0, 4.0])
@pytest.mark.parametrize(("batch", "frames", "bands"), [(1, 1, 1), (2, 3, 5), (1, 40, 28)])
def test_across_bands_it_is_the_path(build_path, batch, frames, bands, scale):
    path = build_path("bands", scale)
    x = white(batch, frames, bands, FEATURES)
    wanted = in_float64(path)(x.double())
    assert_rounded_alike(SettledPath(path)(x), path(x), wanted)


@pytest.mark.parametrize("scale", [1.0, 4.0])
@pytest.mark.parametrize("sizes", [(40,), (1,) * 40, (0, 3, 1, 36)])
def test_along_time_in_pieces_it_is_the_path_at_once(build_path, sizes, scale):
    path = build_path("time", scale)
    ours, x = SettledPath(path), white(2, 40, 3, FEATURES)
    state: State = path.rest(x)
    plain, kept = path.walk(x, state)
    wanted, left = in_float64(path).walk(x.double(), state)
    pieces = []
    for piece in x.split(list(sizes), 1):
        made, state = ours.walk(piece, state)
        pieces.append(made)
    found = torch.cat(pieces, 1)
    for three in zip((found, *state), (plain, *kept), (wanted, *left), strict=True):
        assert_rounded_alike(*three)


def test_its_states_and_those_of_the_path_are_one_another(build_path):
    path = build_path("time")
    ours, frames = SettledPath(path), white(2, 6, 3, FEATURES)
    state: State = path.rest(frames)
    wanted, _ = path.walk(frames, state)
    for number, frame in enumerate(frames.unbind(1)):
        kept = tuple(part.clone() for part in state)
        made, after = (ours if number % 2 else path).step(frame, state)
        assert_close(made, wanted[:, number], rtol=1e-5, atol=1e-5)
        assert all(torch.equal(*pair) for pair in zip(state, kept, strict=True))
        state = after


def test_a_whole_network_of_paths_is_settled_and_gives_the_same():
    plain, ours = small(), small()
    settle(ours)
    assert all(isinstance(path, SettledPath) for path in ours.paths)
    x = white(2, 9, 4, FEATURES)
    (made, after), (wanted, left) = ours.walk(x, ours.rest(x)), plain.walk(x, plain.rest(x))
    assert_close(made, wanted)
    for found, expected in zip(after, left, strict=True):
        assert_close(found, expected)


def test_settled_weights_follow_no_more():
    ours, x = small(), white(1, 4, 5, FEATURES)
    settle(ours)
    before = ours(x)
    for name, parameter in ours.named_parameters():
        if "norm" not in name:
            parameter.zero_()
    assert torch.equal(ours(x), before)


def test_a_copy_is_as_good():
    ours, x = small(), white(1, 4, 5, FEATURES)
    settle(ours)
    assert torch.equal(deepcopy(ours)(x), ours(x))


def test_what_needs_gradients_or_digits_goes_through_the_path_itself():
    path = StateSpacePath("bands", FEATURES, Mamba2(FEATURES, states=4, bidirectional=True))
    ours, x = SettledPath(path), white(1, 3, 5, FEATURES).requires_grad_()
    (wanted,) = torch.autograd.grad(path(x).square().sum(), x)
    (found,) = torch.autograd.grad(ours(x).square().sum(), x)
    assert_close(found, wanted)
    path.double()
    wide = x.detach().double()
    assert_close(ours(wide), path(wide))


def test_other_kinds_of_paths_stay_as_they_are():
    lstm = DualPath(FEATURES, 8, 1, causal=True, block="lstm")
    settle(lstm)
    assert not any(isinstance(path, SettledPath) for path in lstm.paths)
    euler = small()
    euler.layers[0] = StateSpacePath("time", FEATURES, Mamba(FEATURES, hold="euler"))
    settle(euler)
    assert isinstance(euler.paths[0], StateSpacePath)
    assert isinstance(euler.paths[1], SettledPath)


def test_without_a_compiler_the_paths_stay(fresh: File, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PATH", str(fresh))
    paths = small()
    settle(paths)
    assert all(isinstance(path, StateSpacePath) for path in paths.paths)


def test_a_kernel_that_computes_something_else_is_not_used(
    fresh: File, monkeypatch: pytest.MonkeyPatch
):
    wrong = fresh / "way.cpp"
    text = build.WAY.read_text(encoding="utf-8")
    wrong.write_text(text.replace("skip * u", "u"), encoding="utf-8")
    monkeypatch.setattr(settled, "WAY", wrong)
    paths = small()
    for path in paths.paths:
        for name, parameter in path.named_parameters():
            if name.endswith("skip"):
                parameter.add_(0.5)
    settle(paths)
    assert all(isinstance(path, StateSpacePath) for path in paths.paths)
