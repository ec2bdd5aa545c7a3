"""Long sequences, extreme steps, mixed precision and wrong arguments of the selective scan."""
# ruff: noqa: N806 - A, B, C are the names of the literature.

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from wellposed.nn.scan import Backend, compiled, selective_scan

LONG = 10_000
BACKENDS: list[Backend] = ["fused", "compiled"]


@pytest.fixture(params=BACKENDS)
def backend(request: pytest.FixtureRequest) -> Backend:
    if request.param == "compiled" and compiled.unavailable():
        pytest.skip(f"{compiled.unavailable()}")
    return request.param


def white(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def sequence(frames: int, step: float) -> tuple[Tensor, ...]:
    dt = step * white(1, frames, 6, seed=1).exp()
    A = -torch.arange(1.0, 5.0).expand(6, 4)
    return white(1, frames, 6), dt, A, white(1, frames, 4, seed=2), white(1, frames, 4, seed=3)


def states(given: tuple[Tensor, ...], backend: Backend) -> Tensor:
    """All states, read out through C = one state after the other."""
    u, dt, A, B, _ = given
    columns = []
    for n in range(A.shape[1]):
        C = torch.zeros_like(B)
        C[..., n] = 1
        columns.append(selective_scan(u, dt, A, B, C, backend=backend)[0])
    return torch.stack(columns, -1)


@pytest.mark.parametrize("step", [1e-4, 0.02, 3.0, 1e4])
def test_ten_thousand_frames_stay_within_the_closed_form_bound(backend: Backend, step: float):
    # |h| <= max |B u| / |A|: the state is a running mean of -B u / A. A part in 10^5 for rounding.
    given = sequence(LONG, step)
    u, _, A, B, _ = given
    bound = (u.unsqueeze(-1) * B.unsqueeze(2) / A).abs().amax((0, 1))
    assert (states(given, backend).abs().amax((0, 1)) <= bound * (1 + 1e-5)).all()


def test_a_steady_input_settles_at_the_bound(backend: Backend):
    u, dt, A, B, _ = sequence(LONG, 0.02)
    u, B = torch.full_like(u, 3.0), torch.full_like(B, -2.0)
    _, h = selective_scan(u, dt, A, B, B, backend=backend)
    assert_close(h[0], 6.0 / A)


def test_the_euler_form_grows_with_the_step_where_the_exact_form_does_not():
    u, dt, A, B, C = sequence(100, 10.0)
    exact, euler = (
        selective_scan(u, dt, A, B, C, hold=hold)[0].abs().max() for hold in ("exact", "euler")
    )
    assert euler > 10 * exact


def test_ten_thousand_frames_of_the_longest_memory_lose_no_digits(backend: Backend):
    # At dt = 1e-4 a decay rounded to float32 is off by 2 ** -25 / 1e-4 = 0.03 % in its memory.
    given = sequence(LONG, 1e-4)
    y, h = selective_scan(*given, backend=backend)
    wanted, last = selective_scan(*(x.double() for x in given), backend="fused")
    assert (y - wanted).abs().max() < 1e-5 * wanted.abs().max()
    assert (h - last).abs().max() < 1e-5 * last.abs().max()


def test_gradients_through_ten_thousand_frames_are_finite(backend: Backend):
    for step in (1e-4, 1e4):
        given = tuple(x.clone().requires_grad_() for x in sequence(LONG, step))
        y, _ = selective_scan(*given, backend=backend)
        assert all(g.isfinite().all() for g in torch.autograd.grad(y.sum(), given))


def test_a_frame_that_is_not_finite_shows_from_there_on(backend: Backend):
    # Nothing is clamped: what is wrong stays visible, and does not reach back.
    u, *rest = sequence(50, 0.1)
    u[0, 20, 2] = torch.nan
    y, h = selective_scan(u, *rest, backend=backend)
    assert y[:, :20].isfinite().all()
    assert y[0, 20:, 2].isnan().all()
    assert h[0, 2].isnan().all()
    assert y[..., [0, 1, 3, 4, 5]].isfinite().all()


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_goes_through_float32(backend: Backend, dtype: torch.dtype):
    given = [x.to(dtype) for x in sequence(300, 0.02)]
    wanted, last = selective_scan(*(x.float() for x in given), backend=backend)
    y, h = selective_scan(*given, backend=backend)
    assert (y.dtype, h.dtype) == (dtype, torch.float32)
    assert torch.equal(y, wanted.to(dtype))
    assert torch.equal(h, last)


def test_autocast_changes_no_bit_of_outputs_and_gradients(backend: Backend):
    given = tuple(x.clone().requires_grad_() for x in sequence(40, 0.1))
    wanted, _ = selective_scan(*given, backend=backend)
    gradients = torch.autograd.grad(wanted.square().sum(), given)
    with torch.autocast("cpu", torch.bfloat16):
        y, _ = selective_scan(*given, backend=backend)
        made = torch.autograd.grad(y.square().sum(), given)
    assert torch.equal(y, wanted)
    assert all(torch.equal(ours, theirs) for ours, theirs in zip(made, gradients, strict=True))


def test_no_frames_give_no_outputs_and_the_same_state(backend: Backend):
    h0 = white(1, 6, 4)
    y, h = selective_scan(*sequence(0, 0.1), h0=h0, backend=backend)
    assert y.shape == (1, 0, 6)
    assert torch.equal(h, h0)


def test_float64_is_computed_in_float64():
    u, dt, A, B, C = (x.double() for x in sequence(5, 0.1))
    y, h = selective_scan(u, dt, A, B, C)
    assert (y.dtype, h.dtype) == (torch.float64, torch.float64)


def test_shapes_that_do_not_fit_are_named():
    u, dt, A, B, C = sequence(7, 0.1)
    with pytest.raises(ValueError, match=r"B is \(1, 6, 4\), but .* ask for \(1, 7, 4\)"):
        selective_scan(u, dt, A, B[:, 1:], C)
    with pytest.raises(ValueError, match="u must be"):
        selective_scan(u[0], dt, A, B, C)
    with pytest.raises(ValueError, match=r"h0 is \(1, 4, 6\)"):
        selective_scan(u, dt, A, B, C, h0=white(1, 4, 6))


def test_unknown_words_are_refused_with_the_known_ones():
    given = sequence(2, 0.1)
    with pytest.raises(ValueError, match="reference, fused, compiled, doubling, triton"):
        selective_scan(*given, backend="cuda")  # pyrefly: ignore[bad-argument-type] - on purpose
    with pytest.raises(ValueError, match="exact, euler"):
        selective_scan(*given, hold="bilinear")  # pyrefly: ignore[bad-argument-type] - on purpose
    with pytest.raises(ValueError, match="float32 on a CPU"):
        selective_scan(*(x.double() for x in given), backend="compiled")
