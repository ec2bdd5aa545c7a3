"""The selective scan in C++ (kernel.cpp) for CPU and float32, where a compiler can build it.

The first use builds it, which takes seconds, and compares it with the reference: a kernel that
disagrees is refused. Everywhere else `unavailable()` says why, and nothing is lost but time.
"""
# ruff: noqa: N803, N806 - A, B, C, D and G are the names of the literature.

import ctypes
import logging
from functools import cache
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from wellposed.nn.scan.build import NoKernel, cache_folder, library
from wellposed.nn.scan.fused import decaying
from wellposed.nn.scan.reference import scan_reference

_log = logging.getLogger(__name__)


def _pointers(*names: str) -> tuple[tuple[str, type], ...]:
    return tuple((name, ctypes.c_void_p) for name in names)


class _Given(ctypes.Structure):
    _fields_ = _pointers("u", "dt", "A", "rest", "B", "C")


class _Wanted(ctypes.Structure):
    _fields_ = _pointers("u", "dt", "A", "B", "C", "h0")


class _Sizes(ctypes.Structure):
    _fields_ = tuple((name, ctypes.c_long) for name in ("rows", "frames", "channels", "states"))


class _Inputs(NamedTuple):
    """Dense float32 tensors in the order of the kernel's `Given`."""

    u: Tensor
    dt: Tensor
    A: Tensor
    rest: Tensor
    B: Tensor
    C: Tensor

    def head(self, exact: bool, shared: bool) -> tuple[_Given, _Sizes, int, int, int]:
        """Arguments with which both directions of the kernel begin."""
        given = _Given(*(x.data_ptr() for x in self))
        sizes = _Sizes(*self.u.shape, self.B.shape[-1])
        return given, sizes, exact, shared, torch.get_num_threads()


def scan_compiled(
    u: Tensor,
    dt: Tensor,
    A: Tensor,
    B: Tensor,
    C: Tensor,
    h0: Tensor,
    *,
    exact: bool,
    shared: bool = False,
) -> tuple[Tensor, Tensor]:
    """As `scan_reference`, differentiable once; raises NoKernel where nothing can be built.

    `shared`: every row of `A` holds one number, several times; then the work is about half.
    """
    reason = unavailable()
    if reason is not None:
        raise NoKernel(reason)
    return _scan(_load(), (u, dt, A, B, C, h0), exact, shared)


@cache
def unavailable() -> str | None:
    """Why the compiled scan cannot be used on this machine, or None; builds it if need be."""
    try:
        _examine(_load())
    except NoKernel as reason:
        _log.info("no compiled scan, plain torch instead: %s", reason)
        return str(reason)
    return None


@cache
def _load() -> ctypes.CDLL:
    kernel = library(cache_folder())
    sizes = [ctypes.POINTER(_Given), ctypes.POINTER(_Sizes)]
    head = [*sizes, ctypes.c_int, ctypes.c_int, ctypes.c_long]
    data = [ctypes.c_void_p] * 3
    kernel.wellposed_scan_step.restype = ctypes.c_long
    kernel.wellposed_scan_forward.argtypes = [*head, *data, ctypes.c_void_p]
    kernel.wellposed_scan_forward.restype = None
    kernel.wellposed_scan_backward.argtypes = [*head, *data, ctypes.POINTER(_Wanted)]
    kernel.wellposed_scan_backward.restype = None
    return kernel


def _examine(kernel: ctypes.CDLL) -> None:
    """Raise NoKernel if the kernel's gradients differ from the reference's on a small scan."""
    shapes = ((2, 35, 17), (2, 35, 17), (17, 3), (2, 35, 3), (2, 35, 3), (2, 17, 3))
    with torch.inference_mode(False), torch.enable_grad():
        # Cosines rather than random numbers: nothing of the run's randomness is touched.
        waves = [torch.arange(torch.Size(s).numel()).view(s).mul(1.7).cos() for s in shapes]
        waves[1], waves[2] = waves[1].exp() * 0.2, -waves[2].exp()
        made = []
        for ours in (True, False):
            leaves = tuple(x.clone().requires_grad_() for x in waves)
            y, h = _scan(kernel, leaves, True) if ours else scan_reference(*leaves, exact=True)
            made.append((y, h, *torch.autograd.grad(y.square().sum() + h.sum(), leaves)))
    for ours, theirs in zip(*made, strict=True):
        if not torch.allclose(ours, theirs, rtol=1e-4, atol=1e-4 * theirs.abs().max().item()):
            raise NoKernel("the compiled scan disagrees with the reference on this machine.")


def _scan(
    kernel: ctypes.CDLL, given: tuple[Tensor, ...], exact: bool, shared: bool = False
) -> tuple[Tensor, Tensor]:
    u, dt, A, B, C, h0 = given
    parts = [x.contiguous() for x in (u, dt, A.T, B, C, h0.transpose(1, 2))]
    keep = torch.is_grad_enabled() and any(x.requires_grad for x in parts)
    y, h = _Compiled.apply(*parts, kernel, exact, shared, keep)
    return y, h.transpose(1, 2)


class _Compiled(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        u: Tensor,
        dt: Tensor,
        A: Tensor,
        B: Tensor,
        C: Tensor,
        h0: Tensor,
        kernel: ctypes.CDLL,
        exact: bool,
        shared: bool,
        keep: bool,
    ) -> tuple[Tensor, Tensor]:
        A = decaying(A) if exact else A
        inputs = _Inputs(u, dt, A, -1 / A if exact else A, B, C)
        y, last, kept = torch.empty_like(u), torch.empty_like(h0), None
        if keep:
            borders = -(-u.shape[1] // kernel.wellposed_scan_step())
            kept = h0.new_empty(len(h0), borders, *h0.shape[1:])
            ctx.save_for_backward(*inputs, kept)
        ctx.kernel, ctx.how = kernel, (exact, shared)
        data = (h0.data_ptr(), y.data_ptr(), last.data_ptr())
        kept_at = None if kept is None else kept.data_ptr()
        kernel.wellposed_scan_forward(*inputs.head(exact, shared), *data, kept_at)
        return y, last

    @staticmethod
    @once_differentiable
    # pyrefly: ignore[bad-override] - the decorator forgets the name of its first argument.
    def backward(ctx: Any, *grad_outputs: Any) -> tuple[Tensor | None, ...]:
        *saved, kept = ctx.saved_tensors
        inputs = _Inputs(*saved)
        gy, gh = (x.contiguous() for x in grad_outputs)
        made = [torch.empty_like(x) for x in (inputs.u, inputs.dt, gh, inputs.B, inputs.C, gh)]
        data = (kept.data_ptr(), gy.data_ptr(), gh.data_ptr())
        wanted = _Wanted(*(x.data_ptr() for x in made))
        ctx.kernel.wellposed_scan_backward(*inputs.head(*ctx.how), *data, wanted)
        # Summed over the batch here, in one order whatever the number of threads.
        made[2] = made[2].sum(0)
        return *made, None, None, None, None
