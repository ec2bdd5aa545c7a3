"""Measures of what a network shows, for the audit: after the fit, and of the proposals alone.

Trivial outputs are proposals that need no network; "input" is none at all, from which the fit goes
on with the measurements alone.
"""

from collections.abc import Mapping
from functools import lru_cache
from typing import NamedTuple

import torch
from torch import Tensor

from wellposed.dsp.arrays.wavefront import Places
from wellposed.dsp.doa.fitting import Search
from wellposed.dsp.power import power
from wellposed.engine.system import Batch
from wellposed.systems.locate.estimate import known_of
from wellposed.systems.locate.ideal import SURE, ideal
from wellposed.systems.locate.model import Locator, Proposed, shown
from wellposed.systems.locate.recipe import LocateRecipe
from wellposed.systems.locate.refine import refine
from wellposed.systems.locate.rows import Begin, Fitter
from wellposed.systems.locate.scoring import hits
from wellposed.systems.locate.truth import Truth


class Read(NamedTuple):
    """What was shown, as places `(batch, slots)`, the likeliest first, and their number."""

    places: Places
    count: Tensor


@lru_cache(maxsize=4)
def _locator(content: str) -> Locator:
    """A network of a recipe; only its maps are used."""
    recipe = LocateRecipe.model_validate_json(content)
    return Locator(recipe)


def locator_of(recipe: LocateRecipe) -> Locator:
    """The same one for the same model and scenes."""
    return _locator(recipe.model_dump_json())


def read(locator: Locator, estimate: Tensor) -> Read:
    """Take `shown` apart again."""
    cells = len(locator.middles)
    bends, counts = len(locator.bends), locator.slots + 1
    axes = locator.cells.axes
    sizes = (cells, axes * cells, bends * cells, counts)
    presence, offset, curvature, count = estimate[:, : sum(sizes)].split(sizes, -1)
    places = locator.placed(
        presence, offset.unflatten(-1, (cells, axes)), curvature.unflatten(-1, (cells, bends))
    )
    return Read(Places(*(each.double() for each in places)), count.argmax(-1))


@torch.no_grad()
def after_fit(recipe: LocateRecipe, estimate: Tensor, batch: Mapping[str, Tensor]) -> list[float]:
    """F1 of the scenes as they are located in use, the fit included, from these proposals."""
    locator = locator_of(recipe)
    made = read(locator, estimate)
    known = known_of(locator, dict(batch))
    begin = Begin(made.places, made.count, recipe.refinement.added)
    states = refine(known, [begin], locator.cells, recipe.refinement)
    return [
        hits(state, {name: each[row] for name, each in batch.items()}).f1
        for row, state in enumerate(states)
    ]


@torch.no_grad()
def explained(recipe: LocateRecipe, estimate: Tensor, batch: Mapping[str, Tensor]) -> list[float]:
    """Share of the measured power that the likeliest proposals explain, no fit, amplitudes free.

    As many proposals as there are sources: whether they are counted is another matter.
    """
    locator = locator_of(recipe)
    made = read(locator, estimate)
    known = known_of(locator, dict(batch))
    begin = Begin(made.places, batch["count"], 0)
    left = Fitter(known.measured, Search()).residual(begin)
    whole = power(known.measured.condensed.data).sum((-2, -1))
    return (1 - left / whole).tolist()


@torch.no_grad()
def trivial(recipe: LocateRecipe, batch: Batch) -> dict[str, Tensor]:
    """No proposal at all, and the true ones.

    A constant is not among them: from any proposal the fit goes where the measurements lead.
    """
    locator = locator_of(recipe)
    none = _blank(locator, len(batch["count"]))
    best = ideal(none, Truth.of(batch), locator.cells, locator.elements)
    return {"input": shown(none), "reference": shown(best)}


def _blank(locator: Locator, scenes: int) -> Proposed:
    """Sure that nothing is there."""
    cells, slots = len(locator.middles), locator.slots
    count = torch.full((scenes, slots + 1), -SURE)
    count[:, 0] = SURE
    zeros = torch.zeros(scenes, slots)
    root = torch.zeros(scenes, len(locator.positions), 1, dtype=torch.complex64)
    root[:, 0] = 1
    return Proposed(
        torch.full((scenes, cells), -SURE),
        torch.zeros(scenes, cells, locator.cells.axes),
        torch.zeros(scenes, cells, len(locator.bends)),
        count,
        Places(zeros, zeros, zeros + 1),
        zeros,
        root,
        torch.zeros(scenes, locator.features.response.shape[1]),
    )
