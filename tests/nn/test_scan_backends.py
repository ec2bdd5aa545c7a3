"""All engines of the selective scan against the float64 oracle, and the oracle against itself."""
# ruff: noqa: N806 - A, B, C are the names of the literature.

import os
import subprocess
import sys
from collections.abc import Callable
from importlib.util import find_spec

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from wellposed.nn.scan import HOLDS, Backend, Hold, compiled, selective_scan
from wellposed.nn.scan.frame import selective_step

Scan = tuple[Tensor, ...]

ENGINES: list[Backend] = ["reference", "fused", "compiled", "doubling"]
FRAMES = [1, 2, 37, 131]
"""Length one, odd lengths, and lengths beyond a piece of the C++ kernel, which has 32 frames."""
STEPS = [1e-4, 0.1, 10.0]
"""Largest dt: memories far longer than the sequence, Mamba's own, and far shorter than a frame."""


def inputs(frames: int, step: float = 0.1, *, dtype: torch.dtype = torch.float64) -> Scan:
    """u, dt, A, B, C, D, z, h0 for 3 sequences, 19 channels (no multiple of 16) and 5 states."""
    generator = torch.Generator().manual_seed(frames)

    def white(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    dt = step * torch.rand(3, frames, 19, generator=generator, dtype=torch.float64)
    parts = (
        *(white(3, frames, 19), dt, -4 * white(19, 5).exp()),
        *(white(3, frames, 5), white(3, frames, 5), white(19), white(3, frames, 19)),
        white(3, 19, 5),
    )
    return tuple(part.to(dtype).requires_grad_() for part in parts)


def everything(run: Callable[..., tuple[Tensor, Tensor]], given: Scan) -> list[Tensor]:
    """Outputs, last state, and the gradients of a fixed mixture of both."""
    y, h = run(*given)
    generator = torch.Generator().manual_seed(0)
    weights = [torch.randn(x.shape, generator=generator, dtype=torch.float64) for x in (y, h)]
    loss = (y * weights[0].to(y.dtype)).sum() + (h * weights[1].to(h.dtype)).sum()
    return [y, h, *torch.autograd.grad(loss, given)]


def run_with(backend: Backend, hold: Hold = "exact") -> Callable[..., tuple[Tensor, Tensor]]:
    return lambda *parts: selective_scan(*parts, backend=backend, hold=hold)


def needs(backend: Backend) -> None:
    if backend == "compiled" and compiled.unavailable():
        pytest.skip(f"{compiled.unavailable()}")


def by_hand(given: Scan, *, exact: bool) -> tuple[Tensor, Tensor]:
    """The definition, one number at a time."""
    u, dt, A, B, C, D, z, h = (part.detach() for part in given)
    h, outputs = h.clone(), torch.zeros_like(u)
    for b in range(u.shape[0]):
        for t in range(u.shape[1]):
            for d in range(u.shape[2]):
                for n in range(A.shape[1]):
                    x = dt[b, t, d] * A[d, n]
                    gain = torch.expm1(x) / A[d, n] if exact else dt[b, t, d]
                    h[b, d, n] = x.exp() * h[b, d, n] + gain * B[b, t, n] * u[b, t, d]
                    outputs[b, t, d] += C[b, t, n] * h[b, d, n]
    return (outputs + D * u) * z * z.sigmoid(), h


@pytest.mark.parametrize("hold", HOLDS)
def test_the_oracle_is_the_definition(hold: Hold):
    given = inputs(2)
    wanted = by_hand(given, exact=hold == "exact")
    for ours, theirs in zip(run_with("reference", hold)(*given), wanted, strict=True):
        assert_close(ours, theirs)


@pytest.mark.parametrize("hold", HOLDS)
@pytest.mark.parametrize("backend", ["reference", "fused"])
def test_the_gradients_are_those_of_finite_differences(backend: Backend, hold: Hold):
    given = tuple(part[..., :2].detach() for part in inputs(3)[:5])
    u, dt, A, B, C = given
    given = (u, dt, A[:2], B, C, torch.ones(2).double(), u.cos(), torch.ones(3, 2, 2).double())
    given = tuple(part.clone().requires_grad_() for part in given)
    assert torch.autograd.gradcheck(run_with(backend, hold), given)


def test_the_oracle_can_be_differentiated_twice():
    given = tuple(part[:1, :2, :2].detach().clone() for part in inputs(2)[:2])
    A, B = -torch.ones(2, 2).double(), torch.ones(1, 2, 2).double()
    parts = tuple(part.requires_grad_() for part in (*given, A, B, B.clone()))
    assert torch.autograd.gradgradcheck(run_with("reference"), parts)


def test_the_fused_scan_refuses_to_be_differentiated_twice():
    u, *rest = inputs(2)
    (once,) = torch.autograd.grad(run_with("fused")(u, *rest)[0].sum(), u, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        once.sum().backward()


@pytest.mark.parametrize("hold", HOLDS)
@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("frames", FRAMES)
@pytest.mark.parametrize("backend", ENGINES)
def test_every_backend_agrees_with_the_oracle(
    backend: Backend, frames: int, step: float, hold: Hold
):
    needs(backend)
    given = inputs(frames, step, dtype=torch.float32)
    exact = tuple(part.detach().double().requires_grad_() for part in given)
    ours = everything(run_with(backend, hold), given)
    theirs = everything(run_with("reference", hold), exact)
    for name, one, other in zip(
        ("y", "h", "u", "dt", "A", "B", "C", "D", "z", "h0"), ours, theirs, strict=True
    ):
        # Relative to the largest entry: single entries may cancel to nothing.
        error = (one - other).abs().max() / other.abs().max()
        assert error < 1e-5, f"{name}: {error:.1e}"


@pytest.mark.parametrize("step", [1e-5, 1e-3, 0.1])
@pytest.mark.parametrize("backend", ["fused", "compiled"])
def test_the_gradient_of_the_decay_from_rest_keeps_its_digits(backend: Backend, step: float):
    # One frame from rest: d/dA of expm1(dt A) / A alone, dt^2 / 2 for small dt, which cancels.
    needs(backend)
    u, dt, A, B, C = (x.detach() for x in inputs(1, step, dtype=torch.float32)[:5])
    slopes = []
    oracle: Backend = "reference"
    for dtype, name in ((torch.float32, backend), (torch.float64, oracle)):
        rates = A.to(dtype).requires_grad_()
        u, dt, B, C = (x.to(dtype) for x in (u, dt, B, C))
        y, _ = selective_scan(u, dt, rates, B, C, backend=name)
        slopes.append(torch.autograd.grad(y.sum(), rates)[0])
    assert (slopes[0] - slopes[1]).abs().max() < 1e-6 * slopes[1].abs().max()


@pytest.mark.parametrize("frames", FRAMES)
def test_the_fused_scan_in_float64_keeps_its_digits(frames: int):
    given = inputs(frames, 0.5)
    wanted = everything(run_with("reference"), given)
    for ours, theirs in zip(everything(run_with("fused"), given), wanted, strict=True):
        assert_close(ours, theirs, rtol=1e-9, atol=1e-11 * theirs.abs().max().item())


@pytest.mark.parametrize("backend", ["reference", "fused", "compiled"])
def test_states_that_do_not_decay_sum_their_inputs(backend: Backend):
    # A = 0: h = h0 + sum of dt B u, where the closed form has 0 / 0.
    needs(backend)
    u, dt, A, B, C, *_, h0 = inputs(9, dtype=torch.float32)
    with torch.no_grad():
        A[:, ::2] = 0
    y, h = selective_scan(u, dt, A, B, C, h0=h0, backend=backend)
    drive = (dt * u).unsqueeze(-1) * B.unsqueeze(2)
    assert_close(h[..., ::2], (h0 + drive.sum(1))[..., ::2], rtol=1e-5, atol=1e-6)
    (slope,) = torch.autograd.grad(y.sum() + h.sum(), A)
    assert slope.isfinite().all()


@pytest.mark.parametrize("backend", ["fused", "compiled"])
def test_frames_without_time_change_nothing(backend: Backend):
    needs(backend)
    u, dt, A, B, C, *_, h0 = inputs(9, dtype=torch.float32)
    y, h = selective_scan(u, torch.zeros_like(dt), A, B, C, h0=h0, backend=backend)
    assert torch.equal(h, h0)
    assert all(g.isfinite().all() for g in torch.autograd.grad(y.sum(), (u, A, B, C, h0)))


@pytest.mark.parametrize("backend", ENGINES)
@pytest.mark.parametrize("hold", HOLDS)
def test_two_halves_are_the_whole_gradients_included(backend: Backend, hold: Hold):
    needs(backend)
    given = inputs(75, dtype=torch.float32)

    def halves(*parts: Tensor) -> tuple[Tensor, Tensor]:
        u, dt, A, B, C, D, z, h = parts
        outputs = []
        for piece in (slice(None, 41), slice(41, None)):
            pieces = (x[:, piece] for x in (u, dt, B, C, z))
            u_p, dt_p, B_p, C_p, z_p = pieces
            y, h = run_with(backend, hold)(u_p, dt_p, A, B_p, C_p, D, z_p, h)
            outputs.append(y)
        return torch.cat(outputs, 1), h

    wanted = everything(run_with(backend, hold), given)
    for ours, theirs in zip(everything(halves, given), wanted, strict=True):
        assert_close(ours, theirs, rtol=1e-5, atol=1e-5 * theirs.abs().max().item())


@pytest.mark.parametrize("hold", HOLDS)
@pytest.mark.parametrize("backend", ENGINES)
def test_step_by_step_is_the_whole_sequence(backend: Backend, hold: Hold):
    needs(backend)
    given = inputs(40, dtype=torch.float32)
    u, dt, A, B, C, _, _, h = (part.detach() for part in given)
    whole, last = selective_scan(u, dt, A, B, C, h0=h, backend=backend, hold=hold)
    alone = h
    for t in range(40):
        one = (x[:, t : t + 1] for x in (u, dt, B, C))
        u_t, dt_t, B_t, C_t = one
        y, h = selective_scan(u_t, dt_t, A, B_t, C_t, h0=h, backend=backend, hold=hold)
        plain, alone = selective_step(
            *(alone, u[:, t], dt[:, t], A, B[:, t], C[:, t]), exact=hold == "exact"
        )
        assert_close(y[:, 0], whole[:, t], rtol=1e-5, atol=1e-5)
        assert_close(plain, whole[:, t], rtol=1e-5, atol=1e-5)
    for state in (h, alone):
        assert_close(state, last, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("backend", ["fused", "compiled"])
def test_rows_of_a_batch_do_not_know_each_other(backend: Backend):
    # The fused scan parts large batches; so many rows that it does here.
    needs(backend)
    given = inputs(3, dtype=torch.float32)
    u, dt, A, B, C = (part.detach() for part in given[:5])
    wide = (A.repeat(1, 8), *(x.repeat(1, 1, 8) for x in (B, C)))
    many = (wide[0], *(x.repeat(400, 1, 1) for x in wide[1:]))
    y, h = run_with(backend)(*(x.repeat(400, 1, 1) for x in (u, dt)), *many)
    first, state = run_with(backend)(u, dt, *wide)
    assert_close(y, first.repeat(400, 1, 1))
    assert_close(h, state.repeat(400, 1, 1))


def test_the_number_of_threads_changes_no_bit():
    needs("compiled")
    given = inputs(70, dtype=torch.float32)
    wanted = everything(run_with("compiled"), given)
    torch.set_num_threads(3)
    try:
        made = everything(run_with("compiled"), given)
    finally:
        torch.set_num_threads(1)
    assert all(torch.equal(ours, theirs) for ours, theirs in zip(made, wanted, strict=True))


@pytest.mark.skipif(find_spec("triton") is None, reason="Triton is not installed")
@pytest.mark.slow
def test_the_triton_kernels_agree_with_the_oracle_in_the_interpreter():
    # A process of its own: the switch is read when triton is imported.
    code = """
import torch
from tests_scan import everything, inputs, run_with
for hold in ("exact", "euler"):
    for frames, step in ((1, 1e-4), (35, 0.1), (2, 10.0)):
        given = inputs(frames, step, dtype=torch.float32)
        exact = tuple(part.detach().double().requires_grad_() for part in given)
        ours = everything(run_with("triton", hold), given)
        theirs = everything(run_with("reference", hold), exact)
        for one, other in zip(ours, theirs, strict=True):
            assert (one - other).abs().max() < 1e-5 * other.abs().max(), (hold, frames, step)
"""
    preamble = (
        "import importlib.util, sys\n"
        f"spec = importlib.util.spec_from_file_location('tests_scan', {__file__!r})\n"
        "module = importlib.util.module_from_spec(spec)\n"
        "sys.modules['tests_scan'] = module\n"
        "spec.loader.exec_module(module)\n"
    )
    environment = {**os.environ, "TRITON_INTERPRET": "1"}
    done = subprocess.run(
        [sys.executable, "-c", preamble + code], env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
