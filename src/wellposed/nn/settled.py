"""State-space paths for use: weights settled, and all between two matrix products in one C++ call.

A frame of a live stream is little arithmetic and, as a chain of tensor operations, many calls. A
settled path is five of them: norm, product, `way.cpp`, product, and room for what comes out. Its
numbers are those of the path it was made from, to rounding; every path is compared with its own
before it is used, and where there is no compiler, or a path is of a kind that is not known here,
the path itself stays: nothing is lost but time.
"""
# ruff: noqa: N806 - A is the name of the literature.

import ctypes
import logging
from functools import cache
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from wellposed.nn.dualpath import DualPath, Path, State, StateSpacePath
from wellposed.nn.scan.build import WAY, NoKernel, cache_folder, library
from wellposed.nn.scan.fused import decaying
from wellposed.nn.statespace import Mamba, Mamba2, Mamba2Way, MambaWay, StateSpace
from wellposed.nn.statespace import State as Scanned

_LANES = 16
"""`select` is filled up to a multiple of so many columns, the kernel's vectors."""
_log = logging.getLogger(__name__)


def settle(paths: DualPath) -> None:
    """Put settled paths in the place of those that can be; they no longer follow their weights."""
    for number, path in enumerate(paths.paths):
        if not isinstance(path, StateSpacePath) or not _known(path):
            continue
        try:
            settled = SettledPath(path)
            settled.compare()
        except NoKernel as reason:
            _log.info("path %d stays in plain torch: %s", number, reason)
        else:
            paths.layers[number] = settled


def _known(path: StateSpacePath) -> bool:
    exact = path.block.forth.hold == "exact" and isinstance(path.block, Mamba | Mamba2)
    return (
        exact and path.norm.weight.device.type == "cpu" and path.norm.weight.dtype is torch.float32
    )


class SettledPath(Path):
    """A path by a Mamba or Mamba-2 block, for float32 on a CPU without gradients.

    The path it was made from takes over for everything else.
    """

    remembers = Scanned._fields

    def __init__(self, path: StateSpacePath) -> None:
        """Settle the weights of `path` as they are. Raises NoKernel: no compiler."""
        super().__init__(path.axis, path.norm.normalized_shape[0], bidirectional=path.bidirectional)
        self.norm, self.path, self.half_size = path.norm, path, path.half_size
        _load()
        self._weights = _Settled(path.block)

    def forward(self, x: Tensor) -> Tensor:
        """Map `(batch, frames, bands, features)` to the same shape."""
        return self._run(x, None) if self._can(x) else self.path(x)

    def walk(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """As `forward` for the next frames, any number; the state goes to those that follow."""
        if x.shape[1] == 0 or not self._can(x):
            return self.path.walk(x, state)
        self._needs_one_way_in_time()
        window, h = state
        sizes = self._weights.sizes
        # Inside, channels come last, as in all that is left here: then this changes no memory.
        inside = h.reshape(len(h), sizes.channels, sizes.states).transpose(1, 2)
        window, inside = (x.clone(memory_format=torch.contiguous_format) for x in (window, inside))
        made = self._run(x, (window, inside))
        return made, Scanned(window, inside.transpose(1, 2).view(h.shape))

    def step(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """As `walk` for one frame `(batch, bands, features)`."""
        made, state = self.walk(x.unsqueeze(1), state)
        return made.squeeze(1), state

    def blank(self, lines: Tensor) -> State:
        """Zeros: no input was seen."""
        return self.path.blank(lines)

    def compare(self) -> None:
        """Raise NoKernel if anything comes out else than from the path this was made from."""
        batch, frames, bands = 2, 3, 5
        count = batch * frames * bands * self.norm.normalized_shape[0]
        # Cosines rather than random numbers: nothing of the run's randomness is touched.
        with torch.no_grad():
            x = torch.arange(count).mul(1.7).cos().view(batch, frames, bands, -1)
            if self.axis == "bands" or self.bidirectional:
                pairs = [(self(x), self.path(x))]
            else:
                state = Scanned(*(part + 0.5 for part in self.path.rest(x)))
                (ours, after), (theirs, left) = self.walk(x, state), self.path.walk(x, state)
                pairs = [(ours, theirs), *zip(after, left, strict=True)]
        for ours, theirs in pairs:
            near = 1e-4 * theirs.abs().max().item()
            if not torch.allclose(ours, theirs, rtol=1e-4, atol=near):
                raise NoKernel("the compiled form of this path disagrees with the path itself.")

    def _can(self, x: Tensor) -> bool:
        plain = x.dtype is torch.float32 and x.device.type == "cpu" and not x.requires_grad
        return plain and not torch.is_autocast_enabled("cpu")

    def _run(self, x: Tensor, state: tuple[Tensor, Tensor] | None) -> Tensor:
        weights, shape = self._weights, x.shape
        batch, frames, bands, _ = shape
        rows = x.reshape(-1, shape[-1])
        inner = torch.mm(self.norm(rows), weights.products.into)
        made = rows.new_zeros(len(rows), weights.sizes.channels)
        if self.axis == "time":
            lines = _Lines(batch, frames * bands, bands, 1, frames, bands)
        else:
            lines = _Lines(batch * frames, bands, 1, 0, bands, 1)
        left = (None, None) if state is None else tuple(part.data_ptr() for part in state)
        _load()(weights.sizes, lines, *weights.ways, inner.data_ptr(), made.data_ptr(), *left)
        return torch.addmm(rows, made, weights.products.out).view(shape)


def _longs(*names: str) -> tuple[tuple[str, type], ...]:
    return tuple((name, ctypes.c_long) for name in names)


class _Sizes(ctypes.Structure):
    _fields_ = _longs(
        *("columns", "channels", "width", "states", "rank", "picked", "taps", "one_decay", "normed")
    )


class _Lines(ctypes.Structure):
    _fields_ = _longs("groups", "group", "lines", "line", "frames", "stride")


class _Way(ctypes.Structure):
    _fields_ = (
        *_longs("inputs"),
        *(
            (name, ctypes.c_void_p)
            for name in ("taps", "bias", "select", "spread", "pace", "A", "rest", "skip")
        ),
    )


def _ways(block: StateSpace) -> list[MambaWay | Mamba2Way]:
    both = block.forth, block.back
    return [way for way in both if isinstance(way, MambaWay | Mamba2Way)]


class _Products(NamedTuple):
    """Weights of the two products, `(features, columns)` and `(channels, features)`."""

    into: Tensor
    """The gate's columns, then the inputs of each way, or one input for both."""
    out: Tensor


def _products(block: StateSpace) -> _Products:
    if isinstance(block, Mamba):
        into, out = block.into.weight, block.out.weight
    else:
        assert isinstance(block, Mamba2)
        ways = [way.into.weight for way in _ways(block) if isinstance(way, Mamba2Way)]
        into = torch.cat([block.gate.weight, *ways])
        out = block.out.weight * block.norm.weight
    return _Products(into.T.contiguous(), out.T.contiguous())


class _Numbers(NamedTuple):
    """Weights of one way in the order of the kernel's `Way`, every number for every channel."""

    taps: Tensor
    bias: Tensor
    select: Tensor
    spread: Tensor
    pace: Tensor
    A: Tensor
    rest: Tensor
    skip: Tensor


def _numbers(way: MambaWay | Mamba2Way) -> _Numbers:
    taps, bias = way.conv.conv.weight.squeeze(1).T, way.conv.conv.bias
    assert bias is not None, "short convolutions have one"
    if isinstance(way, MambaWay):
        A, skip, pace, spread = way.decay().T, 1 + way.skip, way.pace.value(), way.step_of.weight.T
        select = functional.pad(way.select.weight.T, (0, -way.select.out_features % _LANES))
    else:
        # Every channel has the step, the decay and the skip of its head.
        heads, size = way.heads
        A, skip, pace = (
            part.repeat_interleave(size) for part in (way.decay(), 1 + way.skip, way.pace.value())
        )
        A = A.expand(way.widths[1], -1)
        spread, select = torch.eye(heads).repeat_interleave(size, 1), torch.zeros(heads * size, 0)
    A = decaying(A)
    made = (taps, bias, select, spread, pace, A, -1 / A, skip)
    return _Numbers(*(part.clone(memory_format=torch.contiguous_format) for part in made))


class _Settled:
    """Weights as they are, in the kernel's order; a structure holds no more than addresses."""

    @torch.no_grad()
    def __init__(self, block: StateSpace) -> None:
        self._block = block
        self.products = _products(block)
        self._kept = [_numbers(way) for way in _ways(block)]
        numbers, columns = self._kept[0], self.products.into.shape[1]
        first = isinstance(block, Mamba)
        # Mamba's ways share their inputs, Mamba-2's have theirs one after the other.
        each = 0 if first else (columns - block.channels) // len(self._kept)
        self.ways: list[_Way | None] = [
            _Way(block.channels + each * place, *(part.data_ptr() for part in way))
            for place, way in enumerate(self._kept)
        ]
        self.ways += [None] * (2 - len(self._kept))
        self.sizes = _Sizes(
            columns=columns,
            channels=block.channels,
            width=numbers.taps.shape[1],
            states=len(numbers.A),
            rank=len(numbers.spread),
            picked=numbers.select.shape[1],
            taps=len(numbers.taps),
            one_decay=not first,
            normed=not first,
        )

    def __reduce__(self) -> tuple[type, tuple[StateSpace]]:
        # Addresses cannot be copied with what they point to.
        return _Settled, (self._block,)


@cache
def _load() -> Any:
    run = library(cache_folder(), WAY).wellposed_ways
    structures = (_Sizes, _Lines, _Way, _Way)
    run.argtypes = [*(ctypes.POINTER(kind) for kind in structures), *[ctypes.c_void_p] * 4]
    run.restype = None
    return run
