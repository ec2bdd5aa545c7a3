"""From what is given to places: the network's start and the fit, batched; use and validation.

The network works where its weights are, the fit on the CPU: its matrices are small and half of its
work is in double precision.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from wellposed.dsp.arrays.wavefront import Places
from wellposed.dsp.doa.peaks import peaks
from wellposed.dsp.power import power
from wellposed.engine.system import Batch
from wellposed.systems.locate.covariance import leading
from wellposed.systems.locate.model import Locator, Proposed
from wellposed.systems.locate.recipe import Refinement
from wellposed.systems.locate.refine import Known, State, better, refine
from wellposed.systems.locate.rows import Begin


@torch.no_grad()
def located(network: Locator, batch: Batch, recipe: Refinement) -> list[State]:
    """Locate all sources of every scene of a batch, started by the network."""
    made, known = _seen(network, batch)
    return refine(known, [proposed(network, made, known, recipe)], network.cells, recipe)


@torch.no_grad()
def pursued(network: Locator, batch: Batch, recipe: Refinement) -> list[State]:
    """The same from nothing: matching pursuit, with nothing that was learned."""
    known = known_of(network, batch)
    return refine(known, [nothing(network, known)], network.cells, recipe)


@torch.no_grad()
def both(network: Locator, batch: Batch, recipe: Refinement) -> list[State]:
    """From the network and from nothing; of each scene what the criterion prefers."""
    made, known = _seen(network, batch)
    starts = [proposed(network, made, known, recipe), nothing(network, known)]
    return refine(known, starts, network.cells, recipe)


def preferred(first: Sequence[State], second: Sequence[State]) -> list[State]:
    """Of each scene what the criterion prefers."""
    return [min(pair, key=lambda state: state.cost) for pair in zip(first, second, strict=True)]


Start = Callable[[Locator, Batch, Refinement], list[State]]
STARTS: dict[str, Start] = {
    "both": both,
    "network": located,
    "pursuit": pursued,
}
"""What a fit can begin with, by name; others are compared with the last."""


def _seen(network: Locator, batch: Batch) -> tuple[Proposed, Known]:
    there = network.positions.device
    made = _on_cpu(network(*(batch[name].to(there) for name in network.front.inputs)))
    return made, known_of(network, batch, made.energy)


def _on_cpu(made: Proposed) -> Proposed:
    places = Places(*(each.cpu() for each in made.places))
    rest = {name: getattr(made, name).cpu() for name in made._fields if name != "places"}
    return Proposed(places=places, **rest)


def known_of(network: Locator, batch: Batch, energy: Tensor | None = None) -> Known:
    """Condense the measurements in double precision; the map stays single."""
    given = {name: batch[name] for name in network.front.inputs}
    if energy is None:
        there = network.positions.device
        energy = network.features.energy(*(each.to(there) for each in given.values())).cpu()
    return Known(
        network.front.measured(given),
        energy,
        network.features.response.cpu(),
        network.cells.grid(),
    )


def nothing(network: Locator, known: Known) -> Begin:
    """No source, and one more to be added than the network can propose."""
    return Begin.nothing(len(known.energy), min(network.slots + 1, network.front.most))


def proposed(network: Locator, made: Proposed, known: Known, recipe: Refinement) -> Begin:
    """The likeliest proposals, or peaks of the hybrid covariance's subspace that fit better."""
    counts = made.count.argmax(-1).clamp(max=network.front.most)
    begin = Begin(Places(*(each.double() for each in made.places)), counts, recipe.added)
    if not recipe.spectrum:
        return begin
    points = network.cells_at(_spectral(network, known, made.root, counts))
    return better(known, begin, begin._replace(places=points))


def _spectral(network: Locator, known: Known, root: Tensor, counts: Tensor) -> Tensor:
    """Points of the map `(batch, slots)` that are peaks of the leading subspaces."""
    kept = torch.arange(network.slots) < counts[:, None]
    columns = leading(root, network.slots) * kept[:, None]
    share = power(columns.mH @ known.response).sum(-2)
    cells = network.cells
    shape = (cells.columns, cells.rows, cells.curvatures)
    return peaks(share, shape, network.slots).index
