"""The fit that follows every start: places by maximum likelihood, how many, and how sure.

A start may be a network's proposal or nothing at all: then sources are added one after the other
where what is left holds another, which is matching pursuit. How many there are is decided by the
Bayesian information criterion; what is fitted and what is counted is the same, whatever the start.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from wellposed.dsp.arrays.sensors import Array
from wellposed.dsp.arrays.wavefront import Places
from wellposed.dsp.doa.fitting import Search, fit
from wellposed.dsp.surface import Condensed
from wellposed.systems.locate.cells import Cells
from wellposed.systems.locate.recipe import Refinement

PER_SOURCE = 5
"""Real unknowns of a source: three of its place, two of its symbol."""
PROMISING = 0.5
"""Share of the criterion's penalty that a point of the map must gain before a fit is tried: between
points of the map a source shows up to a fifth less."""
DOUBTFUL = 4.0
"""Penalties that taking a source away may cost before the others are fitted anew."""


SHORTLIST = 48
"""Points of the map whose energy is computed as it is. With 1440 exact energies as many sources are
found (F1 0.73 of 64 scenes), with the rough ones alone fewer (0.54)."""
ROUGHLY = 1e-5
"""Share of the residual at which a fit ends that only decides how many: 0.005 of the likelihood,
beside penalties of 31."""
TOLERANCE = 1e-8
"""Share of the residual. With 256 complex numbers the likelihood then changes by 5e-6, as for an
error of 0.2 % of the bound's deviation."""


class Known(NamedTuple):
    """Scenes to be fitted."""

    condensed: Condensed
    numbers: Tensor
    """`(scenes,)` complex numbers that were measured"""
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
    """`(sources,)`"""
    residual: float
    """Power left, all measurements together"""
    cost: float
    """Of the information criterion"""
    converged: bool
    left: Tensor
    """What is left of the condensed measurements `(outputs,)`"""


def refine(
    known: Known,
    starts: Sequence[Sequence[Places]],
    cells: Cells,
    recipe: Refinement,
    added: int | None = None,
) -> list[State]:
    """Fit every scene from the better of its starts, add and take away sources.

    `starts` has one or several for every scene, each of any number of sources, none too.
    """
    by, limits = tuple(cells.limits), cells.limits
    # How many there are is decided in single precision, for half of the time.
    rough = _Fitter(_single(known), Search(by, limits, recipe.rough_steps, ROUGHLY))
    fine = _Fitter(known, Search(by, limits, recipe.steps, TOLERANCE))
    begun = {number: rough.better(number, each) for number, each in enumerate(starts)}
    states = rough.fitted(begun)
    _improve(states, rough, rough.grown, recipe.added if added is None else added)
    _improve(states, rough, rough.thinned, recipe.removed)
    states |= fine.fitted({n: state.places for n, state in states.items()})
    return [states[number] for number in range(len(starts))]


def _single(known: Known) -> Known:
    condensed = known.condensed
    array = condensed.array.to(torch.float32)
    return known._replace(
        condensed=Condensed(array, condensed.data.to(torch.complex64), condensed.outside)
    )


def _improve(
    states: dict[int, State],
    fitter: "_Fitter",
    propose: Callable[[dict[int, State]], dict[int, Places]],
    rounds: int,
) -> None:
    """Keep what lowers the criterion; a scene where nothing did is not asked again."""
    open_ones = dict(states)
    for _ in range(rounds):
        tried = fitter.fitted(propose(open_ones)) if open_ones else {}
        open_ones = {n: new for n, new in tried.items() if new.cost < states[n].cost}
        states |= open_ones


@dataclass(frozen=True)
class _Fitter:
    known: Known
    search: Search

    def better(self, number: int, starts: Sequence[Places]) -> Places:
        """The start that leaves less; amplitudes are free."""
        if len(starts) == 1:
            return starts[0]
        array, data = self._scene(number)
        starts = [each.to(data.real.dtype) for each in starts]
        return min(starts, key=lambda each: float(_left(array, data, each).abs().square().sum()))

    def fitted(self, starts: dict[int, Places]) -> dict[int, State]:
        """Fit scenes together that have as many sources."""
        states: dict[int, State] = {}
        groups: dict[int, list[int]] = {}
        for number, start in starts.items():
            groups.setdefault(len(start.azimuth), []).append(number)
        for count, numbers in groups.items():
            if count == 0:
                states |= {number: self._nothing(number) for number in numbers}
                continue
            array, data = self._scene(torch.tensor(numbers))
            start = Places(
                *(torch.stack(each) for each in zip(*(starts[n] for n in numbers), strict=True))
            ).to(data.real.dtype)
            found = fit(array, data, start, self.search)
            left = (data - array.response(found.places) @ found.amplitudes)[..., 0]
            for row, number in enumerate(numbers):
                residual = float(found.residual[row]) + float(self.known.condensed.outside[number])
                states[number] = State(
                    Places(*(each[row] for each in found.places)),
                    found.amplitudes[row, :, 0],
                    residual,
                    self._cost(number, residual, count),
                    bool(found.converged[row]),
                    left[row],
                )
        return states

    def grown(self, states: dict[int, State]) -> dict[int, Places]:
        """Scenes with one more source, where a point of the map promises enough."""
        numbers = torch.tensor(list(states))
        array = self._scene(numbers)[0]
        assert array.through is not None
        left = torch.stack([state.left for state in states.values()])
        back = (array.through.mH @ left[..., None])[..., 0].to(self.known.response.dtype)
        gain, point = self._best(array.through, back, numbers)
        made = {}
        for row, (number, state) in enumerate(states.items()):
            rest = max(state.residual - float(gain[row]), 1e-9 * state.residual)
            count = len(state.amplitudes)
            if self._cost(number, rest, count + PROMISING) < self._cost(
                number, state.residual, count
            ):
                added = Places(*(each[point[row]][None] for each in self.known.grid))
                made[number] = _joined(state.places, added)
        return made

    def _best(self, operators: Tensor, back: Tensor, numbers: Tensor) -> tuple[Tensor, Tensor]:
        """Power that the best point of the map explains of `back` `(scenes, elements)`, and it.

        The energies of the map are rough, and where they are too low a point looks too good: the
        best by them are looked at again with their own.
        """
        response = self.known.response
        seen = (back.conj() @ response).abs().square()
        listed = (seen / self.known.energy[numbers]).topk(SHORTLIST).indices
        atoms = response.mT[listed].mT
        energy = (operators.to(response.dtype) @ atoms).abs().square().sum(-2)
        gain, best = (seen.gather(1, listed) / energy).max(-1)
        return gain, listed.gather(1, best[:, None])[:, 0]

    def thinned(self, states: dict[int, State]) -> dict[int, Places]:
        """Scenes with the source less that is missed least, where it may not be missed at all."""
        made = {}
        for number, state in states.items():
            count = len(state.amplitudes)
            if not count:
                continue
            response = self._scene(number)[0].response(state.places)
            inner = torch.linalg.pinv(response.mH @ response, hermitian=True)
            # What a source explains that the others, their amplitudes free, would not.
            own = state.amplitudes.abs().square() / inner.diagonal().real.clamp(min=1e-300)
            least = int(own.argmin())
            residual = state.residual + float(own[least])
            if self._cost(number, residual, count - 1 - DOUBTFUL) < state.cost:
                made[number] = _without(state.places, least)
        return made

    def _scene(self, number: int | Tensor) -> tuple[Array, Tensor]:
        condensed = self.known.condensed
        operator = condensed.array.through
        assert operator is not None
        array = Array(
            condensed.array.positions,
            condensed.array.wavelength,
            condensed.array.model,
            condensed.array.spreading,
            operator[number],
        )
        return array, condensed.data[number]

    def _nothing(self, number: int) -> State:
        condensed = self.known.condensed
        power = float(condensed.data[number].abs().square().sum() + condensed.outside[number])
        none = condensed.data.real.new_zeros(0)
        return State(
            Places(none, none, none),
            none.to(condensed.data),
            power,
            self._cost(number, power, 0),
            True,
            condensed.data[number, :, 0],
        )

    def _cost(self, number: int, residual: float, count: float) -> float:
        numbers = float(self.known.numbers[number])
        penalty = PER_SOURCE * math.log(2 * numbers)
        return 2 * numbers * math.log(max(residual, 1e-300)) + penalty * count


def _left(array: Array, data: Tensor, places: Places) -> Tensor:
    """What sources at these places leave of `(outputs, 1)`, their amplitudes being free."""
    if not len(places.azimuth):
        return data
    basis = torch.linalg.qr(array.response(places)).Q
    return data - basis @ (basis.mH @ data)


def _joined(first: Places, second: Places) -> Places:
    return Places(*(torch.cat((a, b.to(a))) for a, b in zip(first, second, strict=True)))


def _without(places: Places, index: int) -> Places:
    return Places(*(torch.cat((each[:index], each[index + 1 :])) for each in places))
