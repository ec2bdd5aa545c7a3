"""The selective scan in plain torch with its own backward pass, in pieces that fit in the cache.

Kept for the backward pass are the inputs and the states at the borders of the pieces; all else is
computed again there. Under exact hold the state is a running weighted mean,

    h[t] = h[t-1] + w (s - h[t-1]),   w = -expm1(dt A) in [0, 1),   s = -B u / A,

which is one `lerp` per frame, and shows the bound: no state exceeds the largest `|s|` and `|h0|`.
`1 - exp(dt A)` would lose the digits of a small step; `expm1` keeps them.

Inside, time comes first and channels last: `(frames, batch, states, channels)`.
"""
# ruff: noqa: N803, N806 - A, B, C, D and G are the names of the literature.

from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

_PIECE = 2**17
"""Numbers in one buffer of a piece, 512 kB in float32: measured best between 2**15 and 2**20."""
_FRAMES = (8, 256)
"""Fewest and most frames of a piece: one state in so many is kept. Large batches are parted."""
_NO_DECAY = 2.0**-40
"""`|A|` below which a state does not decay: `exp(-dt * 2**-40)` is 1 in float32 up to dt = 60000.

The quotient `s` is taken at this `A` instead, which changes nothing but removes 0/0.
"""


def scan_fused(
    u: Tensor, dt: Tensor, A: Tensor, B: Tensor, C: Tensor, h0: Tensor, *, exact: bool
) -> tuple[Tensor, Tensor]:
    """As `scan_reference`; differentiable once."""
    rows = max(1, _PIECE // (_FRAMES[0] * max(A.numel(), 1)))
    parts = zip(*(x.split(rows) for x in (u, dt, B, C, h0)), strict=True)
    scanned = [_scan_rows(u, dt, A, B, C, h0, exact) for u, dt, B, C, h0 in parts]
    if len(scanned) == 1:
        return scanned[0]
    ys, hs = zip(*scanned, strict=True)
    return torch.cat(ys), torch.cat(hs)


def decaying(A: Tensor) -> Tensor:
    """`A` without zeros: where it is so near zero that nothing decays, the least decay instead."""
    return torch.where(A.abs() < _NO_DECAY, -_NO_DECAY, A)


def _scan_rows(
    u: Tensor, dt: Tensor, A: Tensor, B: Tensor, C: Tensor, h0: Tensor, exact: bool
) -> tuple[Tensor, Tensor]:
    u, dt, B, C = (x.transpose(0, 1).contiguous() for x in (u, dt, B, C))
    y, h = _Fused.apply(u, dt, A.T.contiguous(), B, C, h0.transpose(1, 2).contiguous(), exact)
    return y.transpose(0, 1), h.transpose(1, 2)


class _Inputs(NamedTuple):
    u: Tensor
    dt: Tensor
    A: Tensor
    B: Tensor
    C: Tensor


class _Fused(torch.autograd.Function):
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
        inputs = _Inputs(u, dt, A, B, C)
        pieces = _pieces(len(u), h0.numel())
        walk = _Walk(inputs, pieces[0].stop, exact)
        borders = h0.new_empty(len(pieces) + 1, *h0.shape)
        borders[0] = h0
        y = torch.empty_like(u)
        for k, piece in enumerate(pieces):
            states = walk.forward(piece, borders[k])
            y[piece] = _over_states(C[piece], states[1:])
            borders[k + 1] = states[-1]
        ctx.save_for_backward(*inputs, borders[:-1])
        ctx.exact, ctx.pieces = exact, pieces
        return y, borders[-1].clone()

    @staticmethod
    @once_differentiable
    # pyrefly: ignore[bad-override] - the decorator forgets the name of its first argument.
    def backward(ctx: Any, *grad_outputs: Any) -> tuple[Tensor | None, ...]:
        gy, gh = grad_outputs
        *saved, borders = ctx.saved_tensors
        inputs = _Inputs(*saved)
        # Backward may be called inside autocast, where the products below would lose digits.
        with torch.autocast(gy.device.type, enabled=False):
            walk = _WalkBack(inputs, ctx.pieces[0].stop, ctx.exact)
            carry, gy = gh, gy.contiguous()
            for piece, border in zip(reversed(ctx.pieces), reversed(borders.unbind()), strict=True):
                carry = walk.backward(piece, border, gy[piece], carry)
        return *walk.grads, carry, None


class _Walk:
    """Buffers of one piece, and the arithmetic on them."""

    def __init__(self, inputs: _Inputs, frames: int, exact: bool) -> None:
        self.inputs, self.exact = inputs, exact
        self.frames = frames
        self.state = (inputs.u.shape[1], *inputs.A.shape)
        self.decay, self.drive = self.buffer(), self.buffer()
        self.weight = self.buffer() if exact else self.decay
        self.states = inputs.u.new_empty(frames + 1, *self.state)
        # The steady state is B u times this.
        self.rest = -1 / inputs.A

    def buffer(self) -> Tensor:
        """Room for one number per frame and state."""
        return self.inputs.u.new_empty(self.frames, *self.state)

    def forward(self, piece: slice, h: Tensor) -> Tensor:
        """States before the piece and after each of its frames, `(frames + 1, batch, ...)`."""
        u, dt, A, B, _ = self.inputs
        u, dt, B = u[piece], dt[piece], B[piece]
        drive, weight = self.drive[: len(u)], self.weight[: len(u)]
        states = self.states[: len(u) + 1]
        states[0] = h
        torch.mul(dt.unsqueeze(2), A, out=weight)
        if self.exact:
            torch.expm1(weight, out=weight).neg_()
            torch.mul(u.unsqueeze(2), self.rest, out=drive).mul_(B.unsqueeze(3))
            for before, after, s, w in zip(states, states[1:], drive, weight, strict=False):
                torch.lerp(before, s, w, out=after)
        else:
            torch.exp(weight, out=weight)
            torch.mul((dt * u).unsqueeze(2), B.unsqueeze(3), out=drive)
            for before, after, b, a in zip(states, states[1:], drive, weight, strict=False):
                torch.addcmul(b, a, before, out=after)
        return states


class _WalkBack(_Walk):
    """The same with the gradients."""

    def __init__(self, inputs: _Inputs, frames: int, exact: bool) -> None:
        super().__init__(inputs, frames, exact)
        self.adjoint, self.decayed, self.scratch = self.buffer(), self.buffer(), self.buffer()
        self.grads = _Inputs(*(torch.zeros_like(x) for x in inputs))

    def backward(self, piece: slice, h: Tensor, gy: Tensor, carry: Tensor) -> Tensor:
        """Gradients of the piece that begins in state `h`; gives the gradient of `h`.

        `carry` is the gradient of the state after the piece, `gy` those of its outputs.
        """
        u, dt, A, B, C = self.inputs
        u, dt, B, C = u[piece], dt[piece], B[piece], C[piece]
        states = self.forward(piece, h)
        decay, decayed, scratch, adjoint = (
            x[: len(u)] for x in (self.decay, self.decayed, self.scratch, self.adjoint)
        )
        if self.exact:
            torch.neg(self.weight[: len(u)], out=decay).add_(1)
        torch.mul(gy.unsqueeze(2), C.unsqueeze(3), out=adjoint)
        adjoint[-1] += carry
        later = adjoint[-1]
        for a, g in zip(reversed(decay[1:].unbind()), reversed(adjoint[:-1].unbind()), strict=True):
            later = torch.addcmul(g, a, later, out=g)
        torch.mul(adjoint, decay, out=decayed)
        self.grads.C[piece] = _over_channels(gy, states[1:])
        carry = decayed[0].clone()
        if self.exact:
            self.exact_input(piece)
        else:
            self.euler_input(piece)
        # dL/dx with x = dt A, by way of exp(x).
        decayed.mul_(states[:-1])
        torch.mul(decayed, dt.unsqueeze(2), out=scratch)
        self.grads.A.add_(scratch.sum((0, 1)))
        self.grads.dt[piece] += decayed.mul_(A).sum(2)
        return carry

    def euler_input(self, piece: slice) -> None:
        """Gradients by way of the drive `dt B u`."""
        u, dt, _, B, _ = self.inputs
        u, dt, B = u[piece], dt[piece], B[piece]
        adjoint = self.adjoint[: len(u)]
        pull = _over_states(B, adjoint)
        self.grads.u[piece] = dt * pull
        self.grads.dt[piece] = u * pull
        self.grads.B[piece] = _over_channels(dt * u, adjoint)

    def exact_input(self, piece: slice) -> None:
        """Gradients by way of the drive `B u expm1(dt A) / A`, whose slope in dt is `B u a`."""
        u, dt, A, B, _ = self.inputs
        u, dt, B = u[piece], dt[piece], B[piece]
        n = len(u)
        gained = self.adjoint[:n].mul_(self.weight[:n]).mul_(self.rest)
        self.grads.u[piece] = _over_states(B, gained)
        self.grads.B[piece] = _over_channels(u, gained)
        self.grads.dt[piece] = u * _over_states(B, self.decayed[:n])
        gained.mul_(self.drive[:n])
        slope = _slope(torch.mul(dt.unsqueeze(2), A, out=self.scratch[:n]), self.weight[:n])
        self.grads.A.sub_(gained.mul_(slope).sum((0, 1)))


def _slope(x: Tensor, w: Tensor) -> Tensor:
    """`x / (1 - exp(-x)) - 1` for `w = -expm1(x)`: how `expm1(x) / A` changes with log A.

    It is `x / 2 + c` with an even `c = x / 2 - 1 - x / w = x^2 / 12 - x^4 / 720 + ...`. The first
    form of c loses digits near zero, the second far from it; they change places where both err by
    the rounding of one: x^6 / 30240 = eps. Writes on `w`; no branch, as those are slow here.
    """
    eps = torch.finfo(x.dtype).eps
    square = x * x
    near = torch.lt(square, (30240 * eps) ** (1 / 3), out=torch.empty_like(x))
    # Where near is one, x / w may be 0 / 0, and is not used: then any other divisor will do.
    far = (x * 0.5).sub_(1).addcdiv_(x, w.add_(near), value=-1)
    series = (square * (-1 / 720)).add_(1 / 12).mul_(square)
    return far.lerp_(series, near).add_(x, alpha=0.5)


def _pieces(frames: int, state: int) -> list[slice]:
    """Slices of at most so many frames that a buffer of states fits in the cache."""
    size = min(max(_PIECE // max(state, 1), _FRAMES[0]), _FRAMES[1], frames)
    return [slice(k, min(k + size, frames)) for k in range(0, frames, size)]


def _over_states(weights: Tensor, terms: Tensor) -> Tensor:
    """Sum of `(frames, batch, states)` times `(..., states, channels)` over states."""
    rows = weights.flatten(0, 1).unsqueeze(1)
    return torch.bmm(rows, terms.flatten(0, 1)).view(*terms.shape[:2], -1)


def _over_channels(weights: Tensor, terms: Tensor) -> Tensor:
    """Sum of `(frames, batch, channels)` times `(..., states, channels)` over channels."""
    rows = weights.flatten(0, 1).unsqueeze(1)
    return torch.bmm(rows, terms.flatten(0, 1).transpose(1, 2)).view(*terms.shape[:2], -1)
