"""Locating sources in measurements of one's own: a surface by network and fit, an array by pursuit.

Promises: scaling the measurements scales nothing but the powers; scenes do not know of each other;
what is found does not depend on how many scenes are asked at once, but for rounding.
"""

from pathlib import Path
from typing import Self

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from wellposed.engine.system import Batch
from wellposed.engine.use import open_device
from wellposed.errors import DataError
from wellposed.systems.locate.estimate import STARTS
from wellposed.systems.locate.found import Found
from wellposed.systems.locate.loading import WEIGHTS, load_network
from wellposed.systems.locate.model import Locator, Proposed
from wellposed.systems.locate.recipe import Refinement
from wellposed.systems.locate.refine import State
from wellposed.systems.locate.snapshots import SurfaceData, surface_data
from wellposed.systems.locate.uncertain import Sure, sureness

AT_ONCE = 256
"""Scenes at a time: what is kept of one is 1 MB."""


class Finder:
    """A trained network in use, before the surface that it was trained for."""

    def __init__(self, network: Locator, recipe: Refinement | None = None, name: str = "") -> None:
        """Use `network` where its weights are."""
        self.network, self.recipe, self.name = network, recipe or Refinement(), name

    @classmethod
    def load(cls, model: Path | str | None = None, device: str = "cpu") -> Self:
        """Load a weights file, the best of a run folder, or what is shipped.

        Raises CheckpointError (no such weights, damaged, of another system), RecipeError (no such
        device).
        """
        path = WEIGHTS.find(model)
        network, recipe = load_network(path, open_device(device))
        return cls(network, recipe.refinement, str(path))

    def __call__(
        self, heard: ArrayLike, channel: ArrayLike, codes: ArrayLike, *, start: str = "both"
    ) -> list[Found]:
        """Locate the sources of every scene; shapes as in `snapshots.surface_data`.

        `start` "network", "pursuit" (from nothing) or "both". Raises DataError.
        """
        return self.find(
            surface_data(np.asarray(heard), np.asarray(channel), np.asarray(codes)), start
        )

    def find(self, data: SurfaceData, start: str = "both") -> list[Found]:
        """Locate the sources of checked measurements. Raises DataError: another surface."""
        elements = self.network.surface.elements
        if data.codes.shape[-1] != elements.outputs:
            raise DataError(
                f"codes and channel of {data.codes.shape[-1]} elements; the surface of this model "
                f"({self.name or 'a network'}) has {elements.outputs}"
            )
        if start not in STARTS:
            raise DataError(f"start {start!r}: one of {', '.join(STARTS)} wanted")
        work = STARTS[start]
        found: list[Found] = []
        for first in range(0, len(data.heard), AT_ONCE):
            part = slice(first, first + AT_ONCE)
            given = data.heard[part], data.channel[part], data.codes[part]
            # The network is single precision; a level far from one would leave its range.
            level = given[0].abs().square().mean((-2, -1), keepdim=True).sqrt()
            level = torch.where(level > 0, level, 1.0)
            batch = _batch(given[0] / level, *given[1:])
            states = work(self.network, batch, self.recipe)
            scales = (level.flatten() ** 2).tolist()
            found += map(found_of, states, sureness(states), [start] * len(states), scales)
        return found

    @torch.no_grad()
    def proposed(self, heard: Tensor, channel: Tensor, codes: Tensor) -> Proposed:
        """What the network proposes of one scene, before the fit."""
        there = self.network.positions.device
        return self.network(*(each[None].to(there) for each in _pairs(heard, channel, codes)))


def found_of(state: State, sure: Sure, start: str, scale: float) -> Found:
    """What is told of a state; `scale` is the power that was divided out of its measurements."""
    count = len(state.amplitudes)
    return Found(
        state.places,
        sure.covariance.diagonal().sqrt().unflatten(0, (3, count)),
        10 * (sure.power / sure.noise).log10(),
        float(sure.noise) * scale,
        state.converged,
        start,
    )


def _batch(heard: Tensor, channel: Tensor, codes: Tensor) -> Batch:
    return dict(zip(("heard", "channel", "codes"), _pairs(heard, channel, codes), strict=True))


def _pairs(*values: Tensor) -> list[Tensor]:
    return [torch.view_as_real(each.resolve_conj()) for each in values]
