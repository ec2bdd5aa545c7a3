"""The fit that follows every start: places by maximum likelihood, how many, and how sure.

A start may be a network's proposal or nothing at all: then sources are added one after the other
where what is left holds another, which is matching pursuit. How many there are is decided by what
they leave and a penalty for each (`Measured.penalties`); what is fitted and what is counted is the
same, whatever the start.
Several starts of many scenes are one batch; of each scene the one that the criterion prefers is
fitted to the end.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import torch
from torch import Tensor

from wellposed.dsp.arrays.sensors import Array
from wellposed.dsp.arrays.wavefront import Places
from wellposed.dsp.doa.fitting import Search
from wellposed.dsp.power import power
from wellposed.systems.locate.cells import Cells
from wellposed.systems.locate.front import Measured
from wellposed.systems.locate.recipe import Refinement
from wellposed.systems.locate.rows import AT_ONCE, Begin, Fitter, Rows

PROMISING = 0.5
"""Share of the next source's penalty that a point of the map must gain before a fit is tried:
between points of the map a source shows up to a fifth less."""
DOUBTFUL = 2.0
"""Penalties that taking a source away may cost before the others are fitted anew."""
SHORTLIST = 48
"""Points of the map whose energy is computed as it is. With 1440 exact energies as many sources are
found (F1 0.73 of 64 scenes), with the rough ones alone fewer (0.54)."""
ROUGHLY = 1e-4
"""Share of the residual at which a fit ends that only decides how many: 0.005 of the likelihood,
beside penalties of 26."""
TOLERANCE = 1e-8
"""Share of the residual. With 256 complex numbers the likelihood then changes by 5e-6, as for an
error of 0.2 % of the bound's deviation."""


class Known(NamedTuple):
    """Scenes to be fitted."""

    measured: Measured
    energy: Tensor
    """`(scenes, points)` |Phi a|^2 of the map"""
    response: Tensor
    """`(elements, points)` of the map"""
    grid: Places
    """`(points,)`"""


@dataclass(frozen=True)
class State:
    """What one scene is taken for."""

    places: Places
    """`(sources,)`"""
    amplitudes: Tensor
    """`(sources, columns)`, of the measurements as they were condensed"""
    residual: float
    """Power left, all measurements together"""
    cost: float
    """Of the information criterion"""
    converged: bool
    start: int
    """Which of the starts it came from"""
    numbers: int
    """Complex numbers that were measured"""
    unknowns: int
    """Real ones of a source: its coordinates, and two for its amplitude in every snapshot"""
    array: Array
    """The sensors with the scene's condensed operator behind them"""


def refine(known: Known, starts: Sequence[Begin], cells: Cells, recipe: Refinement) -> list[State]:
    """Fit every scene from all starts, add and take away sources; the best one of each scene."""
    by, limits = tuple(cells.limits), cells.limits
    # How many there are is decided in single precision, for half of the time.
    roughly = Search(by, limits, recipe.rough_steps, ROUGHLY)
    rough = Fitter(single(known.measured), roughly)
    fine = Fitter(known.measured, Search(by, limits, recipe.steps, TOLERANCE))
    rows = rough.fitted(rough.begun(starts))
    _grow(rows, rough, known)
    _thin(rows, rough, recipe.removed)
    rows = fine.fitted(rows.only(_preferred(rows, len(known.energy))))
    return _states(rows, known, len(by))


def better(known: Known, first: Begin, second: Begin) -> Begin:
    """Of each scene the start that leaves less, amplitudes free."""
    fitter = Fitter(single(known.measured), Search())
    chosen = fitter.residual(second) < fitter.residual(first)
    pairs = zip(first.places, second.places, strict=True)
    places = Places(*(torch.where(chosen[:, None], two, one) for one, two in pairs))
    return Begin(places, torch.where(chosen, second.count, first.count), first.added)


def single(measured: Measured) -> Measured:
    """The same in single precision."""
    given = measured.condensed
    array, data = given.array.to(torch.float32), given.data.to(torch.complex64)
    return measured._replace(condensed=given._replace(array=array, data=data))


def _grow(rows: Rows, fitter: Fitter, known: Known) -> None:
    """Add sources while the criterion falls; a row where it did not is not asked again."""
    asked = rows.spare > 0
    while bool(asked.any()):
        index = asked.nonzero()[:, 0]
        now = rows.only(index)
        gain, point = _promised(now, fitter, known)
        rest = (now.residual - gain).maximum(1e-9 * now.residual)
        worth = fitter.cost(now.scene, rest, now.count + PROMISING) < now.cost
        index, now = index[worth], now.only(worth)
        added = Places(*(each[point[worth]] for each in known.grid))
        asked = _improved(rows, index, fitter, now.joined(added))
        asked &= rows.spare > 0


def _promised(rows: Rows, fitter: Fitter, known: Known) -> tuple[Tensor, Tensor]:
    """Power that the best point of the map explains of what is left `(rows,)`, and its index."""
    parts = torch.arange(len(rows.scene)).split(AT_ONCE)
    made = [
        _best(fitter.operators(rows.scene[part]), rows.left[part], known, rows.scene[part])
        for part in parts
    ]
    gain, point = (torch.cat(each) for each in zip(*made, strict=True))
    return gain.double(), point


def _best(operators: Tensor, left: Tensor, known: Known, scene: Tensor) -> tuple[Tensor, Tensor]:
    """Of some rows.

    The energies of the map are rough, and where they are too low a point looks too good: the
    best by them are looked at again with their own.
    """
    seen = power((left.mH @ operators) @ known.response).sum(-2)
    most = min(SHORTLIST, seen.shape[-1])
    listed = (seen / known.energy[scene]).topk(most).indices
    energy = power(known.response.mT[listed] @ operators.mT).sum(-1)
    gain, best = (seen.gather(1, listed) / energy).max(-1)
    return gain, listed.gather(1, best[:, None])[:, 0]


def _thin(rows: Rows, fitter: Fitter, rounds: int) -> None:
    """Take away the source that is missed least, while the criterion falls."""
    asked = torch.ones_like(rows.count, dtype=torch.bool)
    for _ in range(rounds):
        index = (asked & (rows.count > 0)).nonzero()[:, 0]
        now = rows.only(index)
        own = torch.where(now.there, now.missed.double(), torch.inf)
        missed, least = own.min(-1)
        rest = now.residual + missed
        worth = fitter.cost(now.scene, rest, now.count - 1 - DOUBTFUL) < now.cost
        asked = _improved(rows, index[worth], fitter, now.only(worth).without(least[worth]))


def _improved(rows: Rows, index: Tensor, fitter: Fitter, tried: Rows) -> Tensor:
    """Fit rows anew and keep those whose criterion is lower; which these are, of all rows."""
    kept = torch.zeros_like(rows.count, dtype=torch.bool)
    if len(index):
        made = fitter.fitted(tried)
        lower = made.cost < rows.cost[index]
        rows.put(index[lower], made.only(lower))
        kept[index[lower]] = True
    return kept


def _preferred(rows: Rows, scenes: int) -> Tensor:
    """Row of least cost of each scene."""
    return rows.cost.view(-1, scenes).argmin(0) * scenes + torch.arange(scenes)


def _states(rows: Rows, known: Known, coordinates: int) -> list[State]:
    """One a scene, in their order."""
    array, given = known.measured.condensed.array, known.measured
    assert array.through is not None
    residual, cost, ended, start, counts, numbers, snapshots = (
        each.tolist()
        for each in (
            rows.residual, rows.cost, rows.converged, rows.start, rows.count, given.numbers,
            given.snapshots,
        )
    )  # fmt: skip
    return [
        State(
            Places(*rows.where[row, :, :count]),
            rows.amplitudes[row, :count],
            residual[row],
            cost[row],
            ended[row],
            start[row],
            numbers[row],
            coordinates + 2 * snapshots[row],
            replace(array, through=array.through[row]),
        )
        for row, count in enumerate(counts)
    ]
