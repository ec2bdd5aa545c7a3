"""The network: maps of the operator to proposals of sources, and how many there are.

One `forward` serves training and use. It looks at a scene as one looks at a picture: cells of
directions, whose channels are curvatures and what the operator lets through there.
"""

import math
from dataclasses import replace
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from wellposed.dsp.arrays.sensors import Array
from wellposed.dsp.arrays.wavefront import Places
from wellposed.systems.locate.cells import Cells
from wellposed.systems.locate.covariance import Factors, factor_of, hybrid
from wellposed.systems.locate.recipe import LocateRecipe
from wellposed.systems.locate.scenes import front_of

REACH = 1.0
"""A proposal lies at most so many cells from the middle of its own."""


class Proposed(NamedTuple):
    """What one forward gives."""

    presence: Tensor
    """Logits `(batch, cells)` that a source is there"""
    offset: Tensor
    """`(batch, cells, axes)` from the middle of each cell, in cells"""
    curvature: Tensor
    """Logits `(batch, cells, curvatures)`"""
    count: Tensor
    """Logits `(batch, slots + 1)` of 0, 1 ... sources"""
    places: Places
    """`(batch, slots)`, the likeliest proposal first"""
    likelihood: Tensor
    """Logits `(batch, slots)` of the proposals"""
    root: Tensor
    """`(batch, elements, columns)` of the hybrid covariance"""
    energy: Tensor
    """`(batch, points)` of the map, for the fit"""

    @property
    def covariance(self) -> Tensor:
        """The hybrid covariance `(batch, elements, elements)`, of trace one."""
        return self.root @ self.root.mH


class Locator(nn.Module):
    """What a front gives, `(batch, ...)` each, to proposals."""

    def __init__(self, whole: LocateRecipe) -> None:
        """Build the network of a recipe for what its scenes stand before."""
        super().__init__()
        recipe, scenes = whole.model, whole.scenes
        self.front = front_of(whole)
        self.cells = cells = Cells.of(recipe, scenes)
        self.slots, self.blend = recipe.slots, recipe.blend
        self.features = self.front.features(cells)
        self.register_buffer("middles", cells.directions().float(), persistent=False)
        self.register_buffer("bends", cells.curvature_values().float(), persistent=False)
        positions = self.front.elements.positions.float()
        self.register_buffer("positions", positions, persistent=False)
        width = recipe.width
        self.enter = nn.Conv2d(self.features.channels, width, 1)
        self.tell = nn.Linear(self.features.figures, width)
        self.blocks = nn.ModuleList(
            Block(width, 1 + number % 2, cells.axes) for number in range(recipe.blocks)
        )
        # Presence, offset, power, and which curvature where there are several.
        told = (1, cells.axes, 1, cells.curvatures if cells.curvatures > 1 else 0)
        self.told = told
        self.leave = nn.Conv2d(width, sum(told), 1)
        self.number = nn.Sequential(
            nn.Linear(2 * width + self.features.figures, width),
            nn.GELU(),
            nn.Linear(width, recipe.slots + 1),
        )
        # Before training a cell is as full as cells are on average.
        full = sum(scenes.sources) / 2 / len(cells.directions())
        with torch.no_grad():
            self.leave.weight.mul_(0.1)
            bias = torch.zeros(sum(told))
            bias[0] = math.log(full / (1 - full))
            assert self.leave.bias is not None
            self.leave.bias.copy_(bias)

    middles: Tensor
    bends: Tensor
    positions: Tensor

    def forward(self, *given: Tensor) -> Proposed:
        """Propose sources from what is given, in the order of `Front.inputs`."""
        with torch.no_grad():
            seen = self.features(*given)
        x = self.enter(seen.maps) + self.tell(seen.figures)[..., None, None]
        for block in self.blocks:
            x = block(x)
        made = self.leave(x).flatten(2).mT
        presence, offset, power, curvature = made.split(self.told, -1)
        if not self.told[-1]:
            curvature = torch.zeros_like(presence)
        presence, offset = presence[..., 0], REACH * offset.tanh()
        pooled = torch.cat((x.amax((-2, -1)), x.mean((-2, -1)), seen.figures), -1)
        chosen = self._peaks(presence.detach())
        factors = self._factors(chosen, presence, offset, power[..., 0], curvature)
        places = self._places(factors)
        factor = factor_of(self.elements, self._spread(factors), factors)
        return Proposed(
            presence,
            offset,
            curvature,
            self.number(pooled),
            places,
            presence.gather(1, chosen),
            hybrid(factor, seen.waves, self.blend),
            seen.energy,
        )

    @property
    def elements(self) -> Array:
        """The sensors, where the weights are."""
        return replace(self.front.elements, positions=self.positions)

    def cells_at(self, points: Tensor) -> Places:
        """Places of points of the map by their index, float64."""
        return Places(*(each[points] for each in self.cells.grid()))

    def placed(self, presence: Tensor, offset: Tensor, curvature: Tensor) -> Places:
        """Places `(batch, slots)` that such maps propose, the likeliest first."""
        chosen = self._peaks(presence)
        return self._places(
            self._factors(chosen, presence, offset, torch.zeros_like(presence), curvature)
        )

    def _peaks(self, presence: Tensor) -> Tensor:
        """Cells `(batch, slots)` that no neighbour exceeds, the likeliest first."""
        plane = presence.unflatten(1, (1, self.cells.columns, self.cells.rows))
        highest = functional.max_pool2d(plane, 3, 1, 1)
        ranked = torch.where(plane >= highest, plane, plane - 1e4)
        return ranked.flatten(1).topk(self.slots).indices

    def _factors(
        self, chosen: Tensor, presence: Tensor, offset: Tensor, power: Tensor, curvature: Tensor
    ) -> Factors:
        size = self.cells.extent[2:]
        moved = offset.gather(1, chosen[..., None].expand(-1, -1, offset.shape[-1]))
        # A line's map has one coordinate; the other one does not move.
        where = [
            self.middles[chosen][..., axis]
            + (size[axis] * moved[..., axis] if axis < self.cells.axes else 0)
            for axis in range(2)
        ]
        bends = curvature.gather(1, chosen[..., None].expand(-1, -1, curvature.shape[-1]))
        there = presence.gather(1, chosen).sigmoid()
        return Factors(
            where[0],
            where[1],
            there * power.gather(1, chosen).clamp(-10, 10).exp(),
            bends.softmax(-1),
        )

    def _places(self, factors: Factors) -> Places:
        """The mean curvature around the likeliest one; far ones are another hypothesis."""
        likeliest = factors.curvature.argmax(-1, keepdim=True)
        index = torch.arange(len(self.bends), device=likeliest.device)
        near = factors.curvature * ((index - likeliest).abs() <= 1)
        inverse = (near * self.bends).sum(-1) / near.sum(-1)
        return self.cells.places(factors.u, factors.v, inverse)

    def _spread(self, factors: Factors) -> Places:
        u, v = (each[..., None] for each in factors[:2])
        return self.cells.places(u, v, self.bends)


class Block(nn.Module):
    """Two convolutions beside a way around them."""

    def __init__(self, width: int, dilation: int, axes: int) -> None:
        """Both 3 x 3, or 3 x 1 where the map has one axis; the first one dilated."""
        super().__init__()
        size, beside = ((3, 3), (1, 1)) if axes == 2 else ((3, 1), (1, 0))
        apart = (dilation * beside[0], dilation * beside[1])
        self.norm = nn.GroupNorm(1, width)
        self.first = nn.Conv2d(width, width, size, padding=apart, dilation=dilation)
        self.second = nn.Conv2d(width, width, size, padding=beside)

    def forward(self, x: Tensor) -> Tensor:
        """Keep the shape."""
        return x + self.second(functional.gelu(self.first(self.norm(x))))


def shown(made: Proposed) -> Tensor:
    """All that the terms compare, in one tensor `(batch, numbers)`."""
    return torch.cat([each.flatten(1) for each in _compared(made)], -1)


def proposed_in(estimate: Tensor, made: Proposed) -> Proposed:
    """The proposal that says what is `shown`, the rest as it was `made`.

    Terms are computed of it, so that what the guard sees is what they compare.
    """
    parts = _compared(made)
    split = estimate.split([each[0].numel() for each in parts], -1)
    presence, offset, curvature, count, root = (
        one.reshape(each.shape) for one, each in zip(split, parts, strict=True)
    )
    return made._replace(
        presence=presence,
        offset=offset,
        curvature=curvature,
        count=count,
        # A view as complex numbers would ask for an even offset.
        root=torch.complex(root[..., 0], root[..., 1]),
    )


def _compared(made: Proposed) -> list[Tensor]:
    parts = [made.presence, made.offset, made.curvature, made.count]
    return [*parts, torch.view_as_real(made.root)]
