"""The scan with one decay per head, as products of small matrices: Mamba-2.

Dao and Gu, "Transformers are SSMs", 2024 (arXiv:2405.21060). Where all states of a head decay
alike, a block of frames is a masked matrix product, and only the states between blocks are walked.
Inputs are held as in `selective_scan`.
"""
# ruff: noqa: N803, N806 - A, B, C are the names of the literature.

from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

from wellposed.nn.scan.compiled import scan_compiled, unavailable
from wellposed.nn.scan.fused import decaying

BLOCK = 32
"""Frames of a block: its products grow with it, the walk between blocks shrinks. Forward and
backward, two heads of 32 channels, 16 states, one thread: 56 x 126 frames took 12.6 ms in blocks of
16, 14.0 in 32 and 22.4 in 64; 252 x 28 frames took 13.6, 10.5 and 10.0 ms."""


def ssd(
    u: Tensor,
    dt: Tensor,
    A: Tensor,
    B: Tensor,
    C: Tensor,
    h0: Tensor | None = None,
    *,
    exact: bool = True,
    block: int = BLOCK,
    backend: Literal["matrix", "compiled"] | None = None,
) -> tuple[Tensor, Tensor]:
    """Outputs `(batch, frames, heads, size)` and last state `(batch, heads, size, states)`.

    `u` is `(batch, frames, heads, size)`, `dt` `(batch, frames, heads)`, `A` `(heads,)`, and `B`
    and `C` `(batch, frames, states)` serve all heads. Computes in float32, or in float64 for
    float64 inputs, also under autocast.

    `backend` None takes the C++ scan where it can be had (CPU, float32, a compiler), which walks
    frame by frame and is 1.5 to 3 times as fast there, and the matrices anywhere else.
    """
    dtype = torch.float64 if u.dtype == torch.float64 else torch.float32
    with torch.autocast(u.device.type, enabled=False):
        wide, dt, A, B, C = (x.to(dtype) for x in (u, dt, A, B, C))
        if h0 is None:
            h0 = wide.new_zeros(u.shape[0], *u.shape[2:], B.shape[-1])
        if u.shape[1] == 0:
            return u.clone(), h0.to(dtype)
        parts = wide, dt, A, B, C, h0.to(dtype)
        if (backend or _suited(wide)) == "compiled":
            y, h = _walk(*parts, exact)
        else:
            y, h = _scan(*parts, exact, min(block, u.shape[1]))
    return y.to(u.dtype), h


def _suited(u: Tensor) -> str:
    # What is traced is to run elsewhere, in operations that others have.
    traced = torch.compiler.is_compiling() or torch.onnx.is_in_onnx_export()
    plain = traced or u.device.type != "cpu" or u.dtype != torch.float32
    return "matrix" if plain or unavailable() else "compiled"


def _walk(
    u: Tensor, dt: Tensor, A: Tensor, B: Tensor, C: Tensor, h0: Tensor, exact: bool
) -> tuple[Tensor, Tensor]:
    """Frame by frame in C++: every channel with the step and the decay of its head."""
    heads = u.shape[2:]
    steps = dt.unsqueeze(-1).expand(-1, -1, *heads).flatten(2)
    rates = A[:, None, None].expand(*heads, B.shape[-1]).flatten(0, 1)
    y, h = scan_compiled(
        u.flatten(2), steps, rates, B, C, h0.flatten(1, 2), exact=exact, shared=True
    )
    return y.unflatten(2, heads), h.unflatten(1, heads)


def _scan(
    u: Tensor, dt: Tensor, A: Tensor, B: Tensor, C: Tensor, h0: Tensor, exact: bool, block: int
) -> tuple[Tensor, Tensor]:
    frames = u.shape[1]
    A = decaying(A) if exact else A
    x = dt * A
    driven = (torch.expm1(x) / A if exact else dt).unsqueeze(-1) * u
    # Frames that are added at the end neither decay nor bring anything.
    x, driven, B, C = (_blocks(each, block) for each in (x, driven, B, C))
    passed = x.cumsum(2).movedim(3, 2)
    driven = driven.movedim(3, 2)
    # (batch, blocks, heads, to, from): the decay between two frames of a block. The future is
    # -inf before the exp, not zero after it: there exp could be inf, and its gradient NaN.
    future = torch.full((block, block), -torch.inf, dtype=x.dtype, device=x.device).triu(1)
    # The diagonal is set to zero although it is zero: its gradients would cancel but for rounding.
    between = ((passed.unsqueeze(-1) - passed.unsqueeze(-2)).tril(-1) + future).exp()
    inside = (between * (C @ B.mT).unsqueeze(2)) @ driven
    # What a block adds to the state at its end: (batch, blocks, heads, size, states).
    to_end = (passed[..., -1:] - passed).exp().unsqueeze(-1)
    added = (to_end * driven).mT @ B.unsqueeze(2)
    h, befores = h0, []
    decays = passed[..., -1].exp()[..., None, None]
    for decay, new in zip(decays.unbind(1), added.unbind(1), strict=True):
        befores.append(h)
        h = decay * h + new
    carried = (C.unsqueeze(2) @ torch.stack(befores, 1).mT) * passed.exp().unsqueeze(-1)
    return (inside + carried).movedim(2, 3).flatten(1, 2)[:, :frames], h


def _blocks(x: Tensor, block: int) -> Tensor:
    """`(batch, frames, ...)` as `(batch, blocks, block, ...)`, zeros added at the end."""
    missing = -x.shape[1] % block
    pad = [0, 0] * (x.dim() - 2) + [0, missing]
    return functional.pad(x, pad).unflatten(1, (-1, block))
