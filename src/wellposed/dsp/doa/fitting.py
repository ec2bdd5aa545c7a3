"""Maximum likelihood places by variable projection: what follows any estimate.

Given places, the best amplitudes are a least-squares solution; what is left is minimised over the
places by Levenberg and Marquardt's damped Gauss-Newton steps (`local`), all scenes at once. In
white noise that is the deterministic maximum likelihood; nothing is asked of the sources'
correlation.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor

from wellposed.dsp.arrays.sensors import Array
from wellposed.dsp.arrays.wavefront import Coordinate, Places
from wellposed.dsp.doa.local import Local, local

Searched = tuple[Coordinate, ...]
LIMITS: Mapping[Coordinate, tuple[float, float]] = {
    "azimuth": (-math.pi, math.pi),
    "elevation": (-math.pi / 2, math.pi / 2),
    "inverse_range": (0.0, math.inf),
}
"""Within these a search stays where nothing narrower is given."""
DAMPING = 1e-3
"""First damping, relative to the diagonal; Marquardt's choice (J. SIAM 11, 1963)."""
EASIER, HARDER = 1 / 3, 4.0
"""Factors of the damping after a step that helped and one that did not."""


@dataclass(frozen=True)
class Search:
    """Which coordinates move, within which limits, and for how long."""

    by: Searched = ("azimuth",)
    """azimuth, elevation, inverse_range: near sources are searched by curvature"""
    limits: Mapping[Coordinate, tuple[float, float]] | None = None
    steps: int = 40
    tolerance: float = 0.0
    """A step that changes the residual by less than this share is the last one; 0: rounding"""

    def __post_init__(self):
        """Refuse coordinates that cannot be searched."""
        if unknown := [one for one in self.by if one not in LIMITS]:
            raise ValueError(f"cannot search by {', '.join(unknown)}; known: {', '.join(LIMITS)}")


class Fit(NamedTuple):
    """The best places that were found."""

    places: Places
    """`(..., sources)`"""
    residual: Tensor
    """`(...)` power that is left, summed over outputs and snapshots"""
    amplitudes: Tensor
    """`(..., sources, columns)`, of the data as it was compressed: see `compressed`"""
    converged: Tensor
    """`(...)` whether the last step was of the size of rounding"""
    left: Tensor
    """`(..., outputs, columns)` what the sources leave of the data as it was compressed"""
    missed: Tensor
    """`(..., sources)` power that each source explains and the others, freed, would not"""


def compressed(data: Tensor) -> Tensor:
    """Snapshots `(..., outputs, T)` as at most `outputs` columns with the same Y Y^H."""
    if data.shape[-1] <= data.shape[-2]:
        return data
    return torch.linalg.qr(data.mH).R.mH


def fit(
    array: Array, data: Tensor, start: Places, search: Search, there: Tensor | None = None
) -> Fit:
    """Minimise what the sources leave of `data` `(..., outputs, snapshots)` from `start`.

    `start` is `(..., sources)`, as many in every scene; where scenes have fewer, `there` `(...,
    sources)` says which of them are: the others stay where they are and explain nothing. In
    float64 this reaches the bound; float32 stops where its residual no longer changes.
    """
    given = compressed(data)
    low, high = _limits(search, start)
    values = _values(start, search.by).clamp(low, high)
    begun = _State(values, local(array, given, _places(start, search.by, values), search.by, there))
    power = given.abs().square().sum((-2, -1)).expand(begun.at.residual.shape)
    damping = torch.full_like(begun.at.residual, DAMPING)
    work = _Work(array, given, start, there, begun, damping, power)
    kept = _Kept(begun)
    for _ in range(search.steps):
        at = work.state.at
        free = _free(work.state.values, at.slope, low, high)
        bend = at.bend * free[..., None] * free[..., None, :]
        step = _step(at.slope * free, bend, work.damping)
        values = (work.state.values + step.unflatten(-1, work.state.values.shape[-2:])).clamp(
            low, high
        )
        places = _places(work.start, search.by, values)
        tried = _State(values, local(work.array, work.data, places, search.by, work.there))
        work, small = work.after(tried, search.tolerance)
        ended = kept.put(work.state, small)
        if bool(ended.all()):
            break
        if kept.flat and bool(ended.any()):
            work = work.only(~ended)
            kept.only(~ended)
    places = _places(start, search.by, kept.state.values)
    best = kept.state.at
    return Fit(places, best.residual, best.amplitudes, kept.ended, best.left, best.missed)


class _State(NamedTuple):
    """Where scenes are searched, and what is seen from there."""

    values: Tensor
    """`(..., coordinates, sources)`"""
    at: Local

    def each(self, work: Callable[..., Tensor], *others: "_State") -> "_State":
        """Do something to every tensor, beside those of other states."""
        values = work(self.values, *(other.values for other in others))
        return _State(values, Local(*map(work, self.at, *(other.at for other in others))))


class _Work(NamedTuple):
    """Scenes whose fit goes on."""

    array: Array
    data: Tensor
    start: Places
    there: Tensor | None
    state: _State
    damping: Tensor
    power: Tensor
    """Of the data: what rounding of a residual is relative to"""

    def after(self, tried: _State, tolerance: float) -> tuple["_Work", Tensor]:
        """Take the steps that helped; also tell where there is nothing more to find."""
        old, new = self.state.at.residual, tried.at.residual
        better = new < old
        rounding = torch.finfo(old.dtype).eps
        # Neither a gain nor a loss that counts, or damped out of sight.
        least = (tolerance * old).maximum(rounding * self.power)
        small = ((old - new).abs() <= least) | (self.damping > 1 / rounding)
        damping = self.damping * torch.where(better, EASIER, HARDER)
        state = tried.each(partial(_choose, better), self.state)
        return self._replace(state=state, damping=damping), small

    def only(self, these: Tensor) -> "_Work":
        """Some of the scenes, of a batch with one leading axis."""
        operator = self.array.through
        if operator is not None and operator.ndim == 3:
            operator = operator[these]
        positions = self.array.positions
        if positions.ndim == 3:
            positions = positions[these]
        array = replace(self.array, through=operator, positions=positions)
        start = Places(*(each[these] for each in torch.broadcast_tensors(*self.start)))
        there = None if self.there is None else self.there[these]
        state = self.state.each(lambda tensor: tensor[these])
        rest = (each[these] for each in (self.damping, self.power))
        return _Work(array, self.data[these], start, there, state, *rest)


class _Kept:
    """The states of all scenes, those that have ended and those that have not.

    In a batch with one leading axis those that have ended leave it: where all stay until the last
    one has ended, 256 scenes of one to five sources take 1.4 times as long.
    """

    def __init__(self, state: _State) -> None:
        self.state = state.each(torch.clone)
        self.ended = torch.zeros_like(state.at.residual, dtype=torch.bool)
        self.flat = state.at.residual.ndim == 1
        self.numbers = torch.arange(self.ended.numel(), device=self.ended.device)

    def put(self, state: _State, small: Tensor) -> Tensor:
        """Note where the scenes at work are; which of them have ended, now or before."""
        if not self.flat:
            self.state, self.ended = state, self.ended | small
            return self.ended
        self.state.each(lambda whole, new: whole.index_copy_(0, self.numbers, new), state)
        self.ended[self.numbers] |= small
        return self.ended[self.numbers]

    def only(self, these: Tensor) -> None:
        """Go on with some of the scenes at work."""
        self.numbers = self.numbers[these]


def _choose(better: Tensor, new: Tensor, old: Tensor) -> Tensor:
    return torch.where(better.reshape(better.shape + (1,) * (new.ndim - better.ndim)), new, old)


def _limits(search: Search, start: Places) -> tuple[Tensor, Tensor]:
    """Two tensors `(coordinates, 1)`."""
    known = {**LIMITS, **(search.limits or {})}
    both = start.azimuth.new_tensor([known[one] for one in search.by])
    return both[:, :1], both[:, 1:]


def _values(places: Places, by: Sequence[Coordinate]) -> Tensor:
    """`(..., coordinates, sources)`"""
    shape = torch.broadcast_tensors(*places)
    known = {"azimuth": shape[0], "elevation": shape[1], "inverse_range": 1 / shape[2]}
    return torch.stack([known[one] for one in by], -2)


def _places(start: Places, by: Sequence[Coordinate], values: Tensor) -> Places:
    found = {"azimuth": start.azimuth, "elevation": start.elevation, "range": start.range}
    for index, one in enumerate(by):
        if one == "inverse_range":
            found["range"] = 1 / values[..., index, :]
        else:
            found[one] = values[..., index, :]
    return Places(**found)


def _free(values: Tensor, slope: Tensor, low: Tensor, high: Tensor) -> Tensor:
    """Ones, and zeros for parameters at a limit that would go beyond: the others move without them.

    Else a place at the edge is tried again and again beyond it.
    """
    at_low, at_high = ((values == each).flatten(-2) for each in (low, high))
    return (~((at_low & (slope > 0)) | (at_high & (slope < 0)))).to(slope)


def _step(slope: Tensor, bend: Tensor, damping: Tensor) -> Tensor:
    diagonal = bend.diagonal(dim1=-2, dim2=-1)
    # Parameters without any effect (a source of amplitude zero) stay where they are.
    floor = torch.finfo(bend.dtype).eps * diagonal.amax(-1, keepdim=True)
    unit = diagonal.maximum(floor).clamp(min=torch.finfo(bend.dtype).tiny).rsqrt()
    scaled = bend * unit[..., None] * unit[..., None, :]
    eye = torch.eye(bend.shape[-1], dtype=bend.dtype, device=bend.device)
    matrix = scaled + damping[..., None, None] * eye
    return -unit * torch.linalg.solve(matrix, (slope * unit)[..., None])[..., 0]
