"""From what is heard to places: the network's start and the fit, batched; use and validation."""

from collections.abc import Callable

import torch
from torch import Tensor

from wellposed.dsp.arrays.wavefront import Places
from wellposed.dsp.doa.peaks import peaks
from wellposed.dsp.surface import condensed
from wellposed.engine.system import Batch
from wellposed.systems.locate.covariance import leading
from wellposed.systems.locate.model import Locator, Proposed
from wellposed.systems.locate.recipe import Refinement
from wellposed.systems.locate.refine import Known, State, refine


@torch.no_grad()
def located(network: Locator, batch: Batch, recipe: Refinement) -> list[State]:
    """Locate all sources of every scene of a batch, started by the network."""
    given = {name: batch[name] for name in ("heard", "channel", "codes")}
    made = network(**given)
    known = known_of(network, given, made.energy)
    return refine(known, starts_of(network, made, spectrum=recipe.spectrum), network.cells, recipe)


@torch.no_grad()
def pursued(network: Locator, batch: Batch, recipe: Refinement) -> list[State]:
    """The same from nothing: matching pursuit, with nothing that was learned."""
    given = {name: batch[name] for name in ("heard", "channel", "codes")}
    known = known_of(network, given)
    none = torch.zeros(0, dtype=torch.float64)
    starts = [[Places(none, none, none)] for _ in given["heard"]]
    return refine(known, starts, network.cells, recipe, added=network.slots + 1)


@torch.no_grad()
def both(network: Locator, batch: Batch, recipe: Refinement) -> list[State]:
    """From the network and from nothing; of each scene what the criterion prefers."""
    return preferred(located(network, batch, recipe), pursued(network, batch, recipe))


def preferred(first: list[State], second: list[State]) -> list[State]:
    """Of each scene what the criterion prefers."""
    return [min(pair, key=lambda state: state.cost) for pair in zip(first, second, strict=True)]


Start = Callable[[Locator, Batch, Refinement], list[State]]
STARTS: dict[str, Start] = {
    "both": both,
    "network": located,
    "pursuit": pursued,
}
"""What a fit can begin with, by name; others are compared with the last."""


def known_of(network: Locator, given: Batch, energy: Tensor | None = None) -> Known:
    """Condense the measurements in double precision; the map stays single."""
    heard, channel, codes = (
        torch.view_as_complex(given[name].double().contiguous())
        for name in ("heard", "channel", "codes")
    )
    sent = (codes.abs().square().sum(-1) > 0).sum(-1)
    return Known(
        condensed(network.surface.elements, channel, codes, heard),
        sent * heard.shape[-1],
        network.features.energy(channel, codes) if energy is None else energy,
        network.features.response,
        network.cells.grid(),
    )


def starts_of(network: Locator, made: Proposed, *, spectrum: bool) -> list[list[Places]]:
    """The likeliest proposals, and the peaks of the hybrid covariance's subspace."""
    counts = made.count.argmax(-1)
    columns = Places(*(each.double() for each in made.places))
    starts = [
        [Places(*(each[row, : int(count)] for each in columns))] for row, count in enumerate(counts)
    ]
    if spectrum:
        found = _spectral(network, made.covariance, counts)
        for row, count in enumerate(counts):
            starts[row].append(network.cells_at(found[row, : int(count)]))
    return starts


def _spectral(network: Locator, covariance: Tensor, counts: Tensor) -> Tensor:
    """Points of the map `(batch, slots)` that are peaks of the leading subspaces."""
    projector = leading(covariance, counts)
    response = network.features.response
    # As many columns of a projector as its rank span the same space; products with those are few.
    columns = torch.linalg.qr(projector @ response[:, :: response.shape[1] // network.slots]).Q
    columns = columns[..., : network.slots]
    kept = torch.arange(network.slots, device=counts.device) < counts[:, None]
    share = ((columns * kept[:, None]).mH @ response).abs().square().sum(-2)
    cells = network.cells
    shape = (cells.columns, cells.rows, cells.curvatures)
    return peaks(share, shape, network.slots).index
