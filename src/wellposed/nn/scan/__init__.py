"""The selective scan of state-space layers, one operation with several engines.

    x = dt A                                     (batch, frames, channels, states)
    h[t] = exp(x[t]) h[t-1] + g[t] B[t] u[t]
    y[t] = sum over states of C[t] h[t], plus D u[t], times silu(z[t])

from Gu and Dao, "Mamba: linear-time sequence modeling with selective state spaces", 2023
(arXiv:2312.00752). Nothing is clamped anywhere: for A < 0 and dt > 0 the state cannot explode.

**How the input is held.** `hold="exact"`, the default: the input stands still for a frame, and
the equation h' = A h + B u is solved exactly (zero-order hold): g = expm1(dt A) / A. Then the state
is a running mean of -B u / A, and whatever dt is and however long the sequence,

    |h[t]| <= max(|h0|, max over time of |B u| / |A|).

`hold="euler"`: g = dt, what Mamba's published code computes although its paper writes the exact
form. There the state grows with dt, up to about dt |B u|; it is for weights that were trained so.
"""
# ruff: noqa: N803 - A, B, C, D and G are the names of the literature.

from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

from wellposed.nn.scan.compiled import scan_compiled, unavailable
from wellposed.nn.scan.doubling import scan_doubling
from wellposed.nn.scan.fused import scan_fused
from wellposed.nn.scan.reference import scan_reference

Hold = Literal["exact", "euler"]
Backend = Literal["reference", "fused", "compiled", "doubling", "triton"]

HOLDS = ("exact", "euler")
BACKENDS = ("reference", "fused", "compiled", "doubling", "triton")


def selective_scan(
    u: Tensor,
    dt: Tensor,
    A: Tensor,
    B: Tensor,
    C: Tensor,
    D: Tensor | None = None,
    z: Tensor | None = None,
    h0: Tensor | None = None,
    backend: Backend | None = None,
    *,
    hold: Hold = "exact",
) -> tuple[Tensor, Tensor]:
    """Outputs `(batch, frames, channels)` and the last state `(batch, channels, states)`.

    `u`, `dt` and `z` are `(batch, frames, channels)`, `A` `(channels, states)`, `B` and `C`
    `(batch, frames, states)`, `D` `(channels,)`, `h0` like the last state, zero if not given. `dt`
    [frames] is positive and already through its softplus. A sequence in two halves, the state of
    the first given to the second, is the whole sequence, gradients included.

    Computes in float32, or in float64 for float64 inputs, also under autocast; the outputs have the
    dtype of `u`, the state that of the arithmetic.

    `backend` None takes "compiled" where it can be had (CPU, float32, a C++ compiler) and "fused",
    plain torch, anywhere else. "reference" is slow and can be differentiated twice. "doubling" is
    for exported graphs and "triton" for CUDA; both are taken only if named. Raises ValueError for
    shapes that do not fit or unknown words, and NoKernel if a named backend cannot run here.
    """
    _check(u, dt, A, B, C, D, z, h0, hold)
    dtype = torch.float64 if u.dtype == torch.float64 else torch.float32
    with torch.autocast(u.device.type, enabled=False):
        if h0 is None:
            h0 = u.new_zeros(u.shape[0], *A.shape, dtype=dtype)
        wide = u.to(dtype)
        parts = (wide, *(x.to(dtype) for x in (dt, A, B, C, h0)))
        if u.shape[1] == 0:
            return u.clone(), parts[-1]
        y, h = _run(backend or _suited(wide), parts, exact=hold == "exact")
        if D is not None:
            y = torch.addcmul(y, D.to(dtype), wide)
        if z is not None:
            y = y * functional.silu(z.to(dtype))
    return y.to(u.dtype), h


def _suited(u: Tensor) -> Backend:
    plain = u.device.type != "cpu" or u.dtype != torch.float32
    return "fused" if plain or unavailable() else "compiled"


def _run(backend: str, parts: tuple[Tensor, ...], *, exact: bool) -> tuple[Tensor, Tensor]:
    if backend == "compiled":
        where = parts[0].device.type, parts[0].dtype
        if where != ("cpu", torch.float32):
            raise ValueError(
                f"backend 'compiled' is for float32 on a CPU, not {where[1]} on {where[0]}"
            )
        return scan_compiled(*parts, exact=exact)
    if backend == "fused":
        return scan_fused(*parts, exact=exact)
    if backend == "reference":
        return scan_reference(*parts, exact=exact)
    if backend == "doubling":
        return scan_doubling(*parts, exact=exact)
    if backend == "triton":
        # Triton comes with torch for CUDA only.
        from wellposed.nn.scan.triton import scan_triton

        return scan_triton(*parts, exact=exact)
    raise ValueError(f"backend {backend!r}: give one of {', '.join(BACKENDS)}, or None")


def _check(
    u: Tensor,
    dt: Tensor,
    A: Tensor,
    B: Tensor,
    C: Tensor,
    D: Tensor | None,
    z: Tensor | None,
    h0: Tensor | None,
    hold: str,
) -> None:
    if hold not in HOLDS:
        raise ValueError(f"hold {hold!r}: give one of {', '.join(HOLDS)}")
    if u.dim() != 3 or A.dim() != 2:
        raise ValueError(
            f"u is {tuple(u.shape)} and A is {tuple(A.shape)}: "
            "u must be (batch, frames, channels) and A (channels, states)"
        )
    batch, frames, channels = u.shape
    states = A.shape[1]
    wanted = {
        "dt": (dt, (batch, frames, channels)),
        "A": (A, (channels, states)),
        "B": (B, (batch, frames, states)),
        "C": (C, (batch, frames, states)),
        "D": (D, (channels,)),
        "z": (z, (batch, frames, channels)),
        "h0": (h0, (batch, channels, states)),
    }
    for name, (given, shape) in wanted.items():
        if given is not None and tuple(given.shape) != shape:
            raise ValueError(
                f"{name} is {tuple(given.shape)}, but u {tuple(u.shape)} and {states} states "
                f"ask for {shape}"
            )
