"""The matrix form of Mamba-2 against the scan, one frame after the other."""
# ruff: noqa: N803, N806 - A, B, C are the names of the literature.

from typing import Literal

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from wellposed.nn.scan import selective_scan
from wellposed.nn.scan.compiled import unavailable
from wellposed.nn.scan.ssd import ssd

HEADS, SIZE, STATES = 3, 4, 5
Backend = Literal["matrix", "compiled"]


def inputs(frames: int, step: float, dtype: torch.dtype = torch.float64) -> tuple[Tensor, ...]:
    """u, dt, A, B, C, h0 for two sequences."""
    generator = torch.Generator().manual_seed(frames)

    def white(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    dt = step * white(2, frames, HEADS).exp()
    parts = (
        *(white(2, frames, HEADS, SIZE), dt, -white(HEADS).exp()),
        *(white(2, frames, STATES), white(2, frames, STATES), white(2, HEADS, SIZE, STATES)),
    )
    return tuple(part.to(dtype).requires_grad_() for part in parts)


def as_scan(
    u: Tensor, dt: Tensor, A: Tensor, B: Tensor, C: Tensor, h0: Tensor, hold: str
) -> tuple[Tensor, Tensor]:
    """The same by the oracle: every channel has the step and the decay of its head."""
    wide = A.repeat_interleave(SIZE).unsqueeze(-1).expand(-1, STATES)
    y, h = selective_scan(
        *(u.flatten(2), dt.repeat_interleave(SIZE, -1), wide, B, C),
        h0=h0.flatten(1, 2),
        backend="reference",
        hold="exact" if hold == "exact" else "euler",
    )
    return y.unflatten(-1, (HEADS, SIZE)), h.unflatten(1, (HEADS, SIZE))


def gradients(y: Tensor, h: Tensor, given: tuple[Tensor, ...]) -> list[Tensor]:
    generator = torch.Generator().manual_seed(0)
    weights = [torch.randn(x.shape, generator=generator, dtype=torch.float64) for x in (y, h)]
    loss = (y * weights[0].to(y.dtype)).sum() + (h * weights[1].to(h.dtype)).sum()
    return [y, h, *torch.autograd.grad(loss, given)]


@pytest.mark.parametrize("hold", ["exact", "euler"])
@pytest.mark.parametrize("frames", [1, 15, 16, 17, 67])
def test_the_matrix_form_is_the_scan(frames: int, hold: str):
    given = inputs(frames, 0.1)
    wanted = gradients(*as_scan(*given, hold=hold), given)
    made = gradients(*ssd(*given, exact=hold == "exact", block=16), given)
    for ours, theirs in zip(made, wanted, strict=True):
        assert_close(ours, theirs, rtol=1e-9, atol=1e-11)


BACKENDS: tuple[Backend, ...] = ("matrix", *(() if unavailable() else ("compiled",)))


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("step", [1e-4, 0.1, 10.0, 1e4])
def test_float32_keeps_its_digits_and_its_gradients_at_any_step(step: float, backend: Backend):
    # Large steps: exp of what lies in the future of a block would be infinite, its gradient NaN.
    given = inputs(131, step, torch.float32)
    exact = tuple(x.detach().double().requires_grad_() for x in given)
    wanted = gradients(*as_scan(*exact, hold="exact"), exact)
    made = gradients(*ssd(*given, backend=backend), given)
    for ours, theirs in zip(made, wanted, strict=True):
        assert ours.isfinite().all()
        # At a step of 10^4 some gradients vanish beside others of order one.
        assert (ours - theirs).abs().max() < 2e-5 * theirs.abs().max() + 1e-6


@pytest.mark.skipif(bool(unavailable()), reason="no compiled scan on this machine")
@pytest.mark.parametrize("hold", ["exact", "euler"])
@pytest.mark.parametrize("frames", [1, 31, 32, 33, 100])
def test_the_compiled_walk_is_the_scan(frames: int, hold: str):
    given = inputs(frames, 0.1, torch.float32)
    exact = tuple(x.detach().double().requires_grad_() for x in given)
    wanted = gradients(*as_scan(*exact, hold=hold), exact)
    made = gradients(*ssd(*given, exact=hold == "exact", backend="compiled"), given)
    for ours, theirs in zip(made, wanted, strict=True):
        assert (ours - theirs).abs().max() < 1e-5 * theirs.abs().max() + 1e-6


def test_two_halves_are_the_whole():
    given = inputs(90, 0.1)

    def halves(
        u: Tensor, dt: Tensor, A: Tensor, B: Tensor, C: Tensor, h: Tensor
    ) -> tuple[Tensor, Tensor]:
        first, h = ssd(u[:, :37], dt[:, :37], A, B[:, :37], C[:, :37], h)
        second, h = ssd(u[:, 37:], dt[:, 37:], A, B[:, 37:], C[:, 37:], h)
        return torch.cat([first, second], 1), h

    wanted = gradients(*ssd(*given), given)
    for ours, theirs in zip(gradients(*halves(*given), given), wanted, strict=True):
        assert_close(ours, theirs, rtol=1e-9, atol=1e-11)


def test_ten_thousand_frames_stay_within_the_closed_form_bound():
    u, dt, A, B, C, _ = (x.detach() for x in inputs(10_000, 1.0, torch.float32))
    _, h = ssd(u, dt, A, B, C)
    bound = u.abs().amax(1).unsqueeze(-1) * B.abs().amax(1)[:, None, None] / A.abs()[:, None, None]
    assert (h.abs() <= bound).all()


def test_no_frames_give_the_state_back():
    u, dt, A, B, C, h0 = inputs(3, 0.1)
    y, h = ssd(u[:, :0], dt[:, :0], A, B[:, :0], C[:, :0], h0)
    assert y.shape == (2, 0, HEADS, SIZE)
    assert torch.equal(h, h0)


def test_autocast_changes_no_bit():
    u, dt, A, B, C, h0 = inputs(40, 0.1, torch.float32)
    with torch.autocast("cpu", torch.bfloat16):
        made = ssd(u, dt, A, B, C, h0)
    assert all(torch.equal(x, y) for x, y in zip(made, ssd(u, dt, A, B, C, h0), strict=True))


def test_what_is_exported_is_plain_products_that_others_can_run():
    class Whole(torch.nn.Module):
        def forward(self, *given: Tensor) -> tuple[Tensor, Tensor]:
            return ssd(*given)

    given = tuple(x.detach() for x in inputs(28, 0.1, torch.float32))
    program = torch.export.export(Whole(), given)
    wanted = ssd(*given, backend="matrix")
    for ours, theirs in zip(program.module()(*given), wanted, strict=True):
        assert_close(ours, theirs)
