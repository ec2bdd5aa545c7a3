"""The selective scan for CUDA in Triton, forward and backward, states kept at borders only.

One program walks one row of the batch and a block of channels through all frames, the block's
states in registers. Kept for the backward pass is the state before every STEP-th frame; within a
piece of STEP frames the states are computed again into a scratch of that length. Sums over the
batch and over blocks are made by torch in a fixed order, without atomics: same inputs, same bits.

Proved in Triton's interpreter (set TRITON_INTERPRET=1 before the first import) against the
reference; not yet timed on a device, hence never chosen unless named.
"""
# ruff: noqa: N803, N806 - A, B, C, D and G are the names of the literature.

from typing import Any

import torch
import triton  # pyrefly: ignore[missing-import] - comes with torch for CUDA only
import triton.language as tl  # pyrefly: ignore[missing-import]
from torch import Tensor
from torch.autograd.function import once_differentiable

from wellposed.nn.scan.build import NoKernel
from wellposed.nn.scan.fused import decaying

STEP = 32
_CHANNELS = 16
_NEAR = 0.15
"""Square of the argument below which the slope of the gain is taken from its series: fused.py."""


def scan_triton(
    u: Tensor, dt: Tensor, A: Tensor, B: Tensor, C: Tensor, h0: Tensor, *, exact: bool
) -> tuple[Tensor, Tensor]:
    """As `scan_reference`, float32 only, differentiable once."""
    if u.dtype != torch.float32:
        raise ValueError(f"backend 'triton' computes in float32, not in {u.dtype}")
    if u.device.type != "cuda" and not triton.knobs.runtime.interpret:
        raise NoKernel(f"backend 'triton' is for CUDA, and u is on {u.device}")
    return _Triton.apply(*(x.contiguous() for x in (u, dt, A, B, C, h0)), exact)


@triton.jit
def _expm1(x):
    """exp(x) - 1 without loss near zero: within 1/2 nine terms of Taylor, which err by 1e-8."""
    p = 1.0 + x / 9
    p = 1.0 + x / 8 * p
    p = 1.0 + x / 7 * p
    p = 1.0 + x / 6 * p
    p = 1.0 + x / 5 * p
    p = 1.0 + x / 4 * p
    p = 1.0 + x / 3 * p
    p = 1.0 + x / 2 * p
    return tl.where(tl.abs(x) < 0.5, x * p, tl.exp(x) - 1.0)


@triton.jit
def _slope(x, w, NEAR: tl.constexpr):
    """x / (1 - exp(-x)) - 1 for w = -expm1(x)."""
    square = x * x
    near = square < NEAR
    series = (1.0 / 12 - square / 720) * square
    far = x * 0.5 - 1.0 - x / tl.where(near, 1.0, w)
    return tl.where(near, series, far) + x * 0.5


@triton.jit
def _advance(h, u, dt, A, B, EXACT: tl.constexpr):
    """State one frame on; u and dt (channels,), A and h (channels, states), B (states,)."""
    x = dt[:, None] * A
    if EXACT:
        h = h - _expm1(x) * (-u[:, None] * B[None, :] / A - h)
    else:
        h = tl.exp(x) * h + (dt * u)[:, None] * B[None, :]
    return h


@triton.jit
def _forward(
    u_at, dt_at, A_at, B_at, C_at, h0_at, y_at, last_at, kept_at,
    frames, channels, states, pieces,
    STEP: tl.constexpr, EXACT: tl.constexpr, D: tl.constexpr, N: tl.constexpr,
):  # fmt: skip
    row = tl.program_id(0).to(tl.int64)
    d = tl.program_id(1) * D + tl.arange(0, D)
    n = tl.arange(0, N)
    on_d, on_n = d < channels, n < states
    on = on_d[:, None] & on_n[None, :]
    tile = d[:, None] * states + n[None, :]
    whole = channels * states
    # Padded states have A = -1 and nothing coming in: they stay zero.
    A = tl.load(A_at + tile, mask=on, other=-1.0)
    h = tl.load(h0_at + row * whole + tile, mask=on, other=0.0)
    for t in range(0, frames):
        if t % STEP == 0:
            tl.store(kept_at + (row * pieces + t // STEP) * whole + tile, h, mask=on)
        at = row * frames + t
        u = tl.load(u_at + at * channels + d, mask=on_d, other=0.0)
        dt = tl.load(dt_at + at * channels + d, mask=on_d, other=0.0)
        B = tl.load(B_at + at * states + n, mask=on_n, other=0.0)
        C = tl.load(C_at + at * states + n, mask=on_n, other=0.0)
        h = _advance(h, u, dt, A, B, EXACT)
        tl.store(y_at + at * channels + d, tl.sum(h * C[None, :], axis=1), mask=on_d)
    tl.store(last_at + row * whole + tile, h, mask=on)


@triton.jit
def _backward(
    u_at, dt_at, A_at, B_at, C_at, kept_at, scratch_at, gy_at, glast_at,
    gu_at, gdt_at, gA_at, gB_at, gC_at, gh0_at,
    frames, channels, states, pieces, blocks,
    STEP: tl.constexpr, EXACT: tl.constexpr, D: tl.constexpr, N: tl.constexpr,
    NEAR: tl.constexpr,
):  # fmt: skip
    row = tl.program_id(0).to(tl.int64)
    block = tl.program_id(1)
    d = block * D + tl.arange(0, D)
    n = tl.arange(0, N)
    on_d, on_n = d < channels, n < states
    on = on_d[:, None] & on_n[None, :]
    tile = d[:, None] * states + n[None, :]
    whole = channels * states
    A = tl.load(A_at + tile, mask=on, other=-1.0)
    G = tl.load(glast_at + row * whole + tile, mask=on, other=0.0)
    gA = tl.zeros([D, N], dtype=tl.float32)
    for back in range(0, pieces):
        piece = pieces - 1 - back
        start = piece * STEP
        size = tl.minimum(STEP, frames - start)
        h = tl.load(kept_at + (row * pieces + piece) * whole + tile, mask=on, other=0.0)
        for k in range(0, size):
            # The state before each frame of the piece.
            tl.store(scratch_at + (row * STEP + k) * whole + tile, h, mask=on)
            at = row * frames + start + k
            u = tl.load(u_at + at * channels + d, mask=on_d, other=0.0)
            dt = tl.load(dt_at + at * channels + d, mask=on_d, other=0.0)
            B = tl.load(B_at + at * states + n, mask=on_n, other=0.0)
            h = _advance(h, u, dt, A, B, EXACT)
        # What other threads of this program wrote is read below.
        tl.debug_barrier()
        for reverse in range(0, size):
            k = size - 1 - reverse
            at = row * frames + start + k
            u = tl.load(u_at + at * channels + d, mask=on_d, other=0.0)
            dt = tl.load(dt_at + at * channels + d, mask=on_d, other=0.0)
            B = tl.load(B_at + at * states + n, mask=on_n, other=0.0)
            C = tl.load(C_at + at * states + n, mask=on_n, other=0.0)
            gy = tl.load(gy_at + at * channels + d, mask=on_d, other=0.0)
            past = tl.load(scratch_at + (row * STEP + k) * whole + tile, mask=on, other=0.0)
            x = dt[:, None] * A
            G += gy[:, None] * C[None, :]
            gC = tl.sum(gy[:, None] * h, axis=0)
            if EXACT:
                w = -_expm1(x)
                decayed = G * (1.0 - w)
                gained = -G * w / A
                gB = tl.sum(gained * u[:, None], axis=0)
                by_drive = tl.sum(gained * B[None, :], axis=1)
                by_gain = tl.sum(decayed * B[None, :], axis=1)
                gA += gained * u[:, None] * B[None, :] / A * _slope(x, w, NEAR)
                gu = by_drive
            else:
                decayed = G * tl.exp(x)
                gB = tl.sum(G * (dt * u)[:, None], axis=0)
                by_gain = tl.sum(G * B[None, :], axis=1)
                gu = dt * by_gain
            gdt = tl.sum(decayed * past * A, axis=1) + u * by_gain
            gA += decayed * past * dt[:, None]
            tl.store(gu_at + at * channels + d, gu, mask=on_d)
            tl.store(gdt_at + at * channels + d, gdt, mask=on_d)
            tl.store(gB_at + (at * blocks + block) * states + n, gB, mask=on_n)
            tl.store(gC_at + (at * blocks + block) * states + n, gC, mask=on_n)
            G = decayed
            h = past
        # The next piece overwrites the scratch that this one has just read.
        tl.debug_barrier()
    tl.store(gA_at + row * whole + tile, gA, mask=on)
    tl.store(gh0_at + row * whole + tile, G, mask=on)


class _Triton(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        u: Tensor,
        dt: Tensor,
        A: Tensor,
        B: Tensor,
        C: Tensor,
        h0: Tensor,
        exact: bool,
    ) -> tuple[Tensor, Tensor]:
        if exact:
            A = decaying(A)
        (rows, frames, channels), states = u.shape, A.shape[1]
        pieces = triton.cdiv(frames, STEP)
        y, last = torch.empty_like(u), torch.empty_like(h0)
        kept = h0.new_empty(rows, pieces, channels, states)
        grid = (rows, triton.cdiv(channels, _CHANNELS))
        ctx.shape = (frames, channels, states, pieces)
        ctx.constants = {
            "STEP": STEP, "EXACT": exact, "D": _CHANNELS, "N": triton.next_power_of_2(states)
        }  # fmt: skip
        _forward[grid](u, dt, A, B, C, h0, y, last, kept, *ctx.shape, **ctx.constants)
        ctx.grid = grid
        ctx.save_for_backward(u, dt, A, B, C, kept)
        return y, last

    @staticmethod
    @once_differentiable
    # pyrefly: ignore[bad-override] - the decorator forgets the name of its first argument.
    def backward(ctx: Any, *grad_outputs: Any) -> tuple[Tensor | None, ...]:
        u, dt, A, B, C, kept = ctx.saved_tensors
        gy, gh = (x.contiguous() for x in grad_outputs)
        rows, blocks = ctx.grid
        frames, _, states, _ = ctx.shape
        scratch = kept.new_empty(rows, STEP, *A.shape)
        gu, gdt = torch.empty_like(u), torch.empty_like(dt)
        gA, gh0 = torch.empty_like(gh), torch.empty_like(gh)
        gB, gC = (kept.new_empty(rows, frames, blocks, states) for _ in range(2))
        given = (u, dt, A, B, C, kept, scratch, gy, gh)
        wanted = (gu, gdt, gA, gB, gC, gh0)
        _backward[ctx.grid](*given, *wanted, *ctx.shape, blocks, **ctx.constants, NEAR=_NEAR)
        return gu, gdt, gA.sum(0), gB.sum(2), gC.sum(2), gh0, None
