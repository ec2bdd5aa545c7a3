"""Projectors onto the signal subspace that a loss can be taken of.

Of R = V diag(l) V^H only the pairs of one signal and one noise vector move the projector
P = V_s V_s^H: dP = sum_ij v_i (v_i^H dR v_j) v_j^H / (l_i - l_j) + its adjoint. Differentiating
eigenvectors one by one divides by the gaps of noise pairs too, which are 0 / 0 as soon as loading,
shrinkage or a rank deficiency ties them, in double precision as well.
"""

import math
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import FunctionCtx, once_differentiable

DOUBLE_UP_TO = 64
"""Sensors up to which single-precision matrices are decomposed in double, at 1.1 to 2 times the
time (256 matrices of 20 on one core)."""


class SignalSubspace(NamedTuple):
    """What `signal_subspace` found; gradients flow through `projector` alone."""

    projector: Tensor
    """`(..., sensors, sensors)`"""
    values: Tensor
    """Eigenvalues, ascending `(..., sensors)`; detached"""
    clamped: Tensor
    """`(...)` signal-noise pairs whose gap is rounding: their share of the gradient is bounded"""
    pairs: Tensor
    """`(...)` signal-noise pairs"""
    lost: Tensor
    """`(...)` whether the matrix is zero as far as its precision goes: no gradient at all"""


def signal_subspace(
    covariance: Tensor, count: Tensor | int, rel_gap: float | None = None
) -> SignalSubspace:
    """Project on the eigenvectors of the `count` largest eigenvalues `(...)` of each covariance.

    `covariance` `(..., sensors, sensors)` is made Hermitian, and so is its gradient. Gaps below
    `rel_gap` times the largest eigenvalue (default: sensors x epsilon of its dtype, the rounding
    of an eigenvalue) count as that large and are counted. Raises ValueError: shapes, non-finite
    values or counts that make no sense.
    """
    sensors = _check(covariance)
    counts = torch.as_tensor(count, device=covariance.device).expand(covariance.shape[:-2])
    if bool(((counts < 0) | (counts > sensors)).any()):
        raise ValueError(
            f"source counts from {int(counts.min())} to {int(counts.max())} for {sensors} sensors: "
            f"0 to {sensors} wanted"
        )
    if rel_gap is None:
        rel_gap = sensors * torch.finfo(covariance.dtype).eps
    hermitian = (covariance + covariance.mH) / 2
    return SignalSubspace(*_Project.apply(hermitian, counts, rel_gap))


def _check(covariance: Tensor) -> int:
    if covariance.ndim < 2 or covariance.shape[-1] != covariance.shape[-2]:
        raise ValueError(
            f"covariance of shape {tuple(covariance.shape)}: (..., sensors, sensors) wanted"
        )
    parts = torch.view_as_real(covariance.detach()) if covariance.is_complex() else covariance
    if not bool(torch.isfinite(parts).all()):
        bad = (~torch.isfinite(covariance.detach()).flatten(-2).all(-1)).nonzero()
        raise ValueError(
            f"{len(bad)} covariances are not finite, the first at {tuple(bad[0].tolist())}; its "
            "projector is undefined, find out where the values come from"
        )
    return covariance.shape[-1]


class _Project(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: FunctionCtx, hermitian: Tensor, counts: Tensor, rel_gap: float
    ) -> tuple[Tensor, ...]:
        sensors = hermitian.shape[-1]
        dtype = hermitian.dtype
        wide = torch.promote_types(dtype, torch.float64) if sensors <= DOUBLE_UP_TO else dtype
        values, vectors = torch.linalg.eigh(hermitian.to(wide))
        signal = torch.arange(sensors, device=values.device) >= sensors - counts[..., None]
        chosen = vectors * signal[..., None, :]
        inverse, clamped, lost = _inverse_gaps(values, signal, rel_gap, dtype)
        ctx.save_for_backward(vectors, inverse)
        pairs = counts * (sensors - counts)
        rest = values.to(dtype.to_real()), clamped, pairs, lost
        ctx.mark_non_differentiable(*rest)
        return (chosen @ vectors.mH).to(dtype), *rest

    @staticmethod
    @once_differentiable
    # pyrefly: ignore[bad-override] - the decorator forgets the name of its first argument.
    def backward(ctx: Any, *grad_outputs: Any) -> tuple[Tensor, None, None]:
        (vectors, inverse), grad = ctx.saved_tensors, grad_outputs[0]
        seen = vectors.mH @ ((grad + grad.mH) / 2).to(vectors.dtype) @ vectors
        return (vectors @ (seen * inverse) @ vectors.mH).to(grad.dtype), None, None


def _inverse_gaps(
    values: Tensor, signal: Tensor, rel_gap: float, dtype: torch.dtype
) -> tuple[Tensor, Tensor, Tensor]:
    """1 / gap of signal-noise pairs and 0 of others; how many were clamped; where all are lost."""
    # Below this the square of an inverse gap overflows the dtype of the gradient.
    tiny = 1 / math.sqrt(torch.finfo(dtype).max)
    largest = values.abs().amax(-1)
    least = (rel_gap * largest).clamp(min=tiny)[..., None, None]
    gaps = (values[..., :, None] - values[..., None, :]).abs()
    mixed = signal[..., :, None] != signal[..., None, :]
    lost = (largest <= tiny) & mixed.any(-1).any(-1)
    clamped = (mixed & (gaps < least)).sum((-1, -2)) // 2
    kept = mixed & ~lost[..., None, None]
    return torch.where(kept, 1 / gaps.maximum(least), 0.0), clamped, lost
