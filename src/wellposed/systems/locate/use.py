"""Locating sources in measurements of one's own: a surface by network and fit, an array by pursuit.

Promises: scaling the measurements scales nothing but the powers; scenes do not know of each other;
what is found does not depend on how many scenes are asked at once, but for rounding.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Self

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from wellposed.dsp.arrays.wavefront import Coordinate
from wellposed.engine.use import open_device
from wellposed.errors import DataError
from wellposed.metrics.bounds.observations import SOLID
from wellposed.systems.locate.estimate import STARTS
from wellposed.systems.locate.found import Found
from wellposed.systems.locate.loading import WEIGHTS, load_network
from wellposed.systems.locate.model import Locator, Proposed
from wellposed.systems.locate.recipe import Refinement
from wellposed.systems.locate.refine import State
from wellposed.systems.locate.snapshots import ArrayData, SurfaceData, surface_data
from wellposed.systems.locate.surface_front import SurfaceFront
from wellposed.systems.locate.uncertain import Sure, sureness

AT_ONCE = 256
"""Scenes at a time: what is kept of one is 1 MB."""
SAME = 1e-3
"""Wavelengths by which a sensor may be elsewhere: 0.4 degrees of phase."""


class Finder:
    """A trained network in use, before the surface or line that it was trained for."""

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
        """Locate the sources of every scene before a surface; shapes as in `surface_data`.

        `start` "network", "pursuit" (from nothing) or "both". Raises DataError.
        """
        return self.find(
            surface_data(np.asarray(heard), np.asarray(channel), np.asarray(codes)), start
        )

    def find(self, data: SurfaceData | ArrayData, start: str = "both") -> list[Found]:
        """Locate the sources of checked measurements. Raises DataError: another surface or line."""
        if start not in STARTS:
            raise DataError(f"start {start!r}: one of {', '.join(STARTS)} wanted")
        whole = self._given(data)
        found: list[Found] = []
        for first in range(0, len(whole[0]), AT_ONCE):
            found += self._find([each[first : first + AT_ONCE] for each in whole], start)
        return found

    def _find(self, given: Sequence[Tensor], start: str) -> list[Found]:
        """Of some scenes; what was heard comes first."""
        # The network is single precision; a level far from one would leave its range.
        level = given[0].abs().square().mean((-2, -1), keepdim=True).sqrt()
        level = torch.where(level > 0, level, 1.0)
        front = self.network.front
        batch = dict(zip(front.inputs, _pairs(given[0] / level, *given[1:]), strict=True))
        states = STARTS[start](self.network, batch, self.recipe)
        scales = (level.flatten() ** 2).tolist()
        sure = sureness(states, front.wanted)
        return [
            found_of(state, each, start, scale, front.wanted)
            for state, each, scale in zip(states, sure, scales, strict=True)
        ]

    def _given(self, data: SurfaceData | ArrayData) -> tuple[Tensor, ...]:
        """Measurements in the order of the network's inputs. Raises DataError."""
        front = self.network.front
        kind = "a surface" if isinstance(front, SurfaceFront) else "a line"
        theirs = "a surface" if isinstance(data, SurfaceData) else "an array"
        named = self.name or "a network"
        if isinstance(data, SurfaceData) and isinstance(front, SurfaceFront):
            if data.codes.shape[-1] != front.elements.outputs:
                raise DataError(
                    f"codes and channel of {data.codes.shape[-1]} elements; the surface of this "
                    f"model ({named}) has {front.elements.outputs}"
                )
            return data.heard, data.channel, data.codes
        if isinstance(data, ArrayData) and not isinstance(front, SurfaceFront):
            _same_line(data, front.elements.positions, named)
            return data.snapshots[None], torch.tensor([float(data.number)])
        raise DataError(f"measurements of {theirs}; this model ({named}) was trained for {kind}")

    @torch.no_grad()
    def proposed(self, *given: Tensor) -> Proposed:
        """What the network proposes of one scene, before the fit; see `Front.inputs`."""
        there = self.network.positions.device
        return self.network(*(each[None].to(there) for each in _pairs(*given)))


def found_of(
    state: State, sure: Sure, start: str, scale: float, wanted: Sequence[Coordinate]
) -> Found:
    """What is told of a state; `scale` is the power that was divided out of its measurements."""
    count = len(state.amplitudes)
    known = sure.covariance.diagonal().sqrt().unflatten(0, (len(wanted), count))
    deviations = torch.zeros(len(SOLID), count, dtype=torch.float64)
    for row, name in enumerate(wanted):
        deviations[SOLID.index(name)] = known[row]
    return Found(
        state.places,
        deviations,
        10 * (sure.power / sure.noise).log10(),
        float(sure.noise) * scale,
        state.converged,
        start,
    )


def _same_line(data: ArrayData, positions: Tensor, name: str) -> None:
    """Refuse sensors that are not those of a model, wherever their middle is."""
    given = data.positions / data.wavelength
    given = given - given.mean(0)
    if given.shape == positions.shape and float((given - positions).abs().max()) < SAME:
        return
    step = float(positions[1, 0] - positions[0, 0])
    raise DataError(
        f"{len(given)} sensors that are not those of this model ({name}): {len(positions)} along "
        f"x, {step:g} wavelengths apart, in ascending order; leave out --model for pursuit with "
        "any array"
    )


def _pairs(*values: Tensor) -> list[Tensor]:
    return [
        torch.view_as_real(each.resolve_conj()) if each.is_complex() else each for each in values
    ]
