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
from wellposed.systems.locate.features import Features
from wellposed.systems.locate.recipe import Model, Scenes
from wellposed.systems.locate.scenes import surface_of

REACH = 1.0
"""A proposal lies at most so many cells from the middle of its own."""


class Proposed(NamedTuple):
    """What one forward gives."""

    presence: Tensor
    """Logits `(batch, cells)` that a source is there"""
    offset: Tensor
    """`(batch, cells, 2)` from the middle of each cell, in cells"""
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
    """Heard, channel and codes, pairs `(batch, ..., 2)`, to proposals."""

    def __init__(self, recipe: Model, scenes: Scenes) -> None:
        """Build the network of a recipe for the surface of its scenes."""
        super().__init__()
        self.surface = surface_of(scenes)
        self.cells = cells = Cells.of(recipe, scenes)
        self.slots, self.blend = recipe.slots, recipe.blend
        self.features = Features(self.surface.elements, cells)
        self.register_buffer("middles", cells.directions().float(), persistent=False)
        self.register_buffer("bends", cells.curvature_values().float(), persistent=False)
        positions = self.surface.elements.positions.float()
        self.register_buffer("positions", positions, persistent=False)
        width = recipe.width
        self.enter = nn.Conv2d(self.features.channels, width, 1)
        self.tell = nn.Linear(self.features.figures, width)
        self.blocks = nn.ModuleList(Block(width, 1 + number % 2) for number in range(recipe.blocks))
        self.leave = nn.Conv2d(width, 4 + recipe.curvatures, 1)
        self.number = nn.Sequential(
            nn.Linear(2 * width + self.features.figures, width),
            nn.GELU(),
            nn.Linear(width, recipe.slots + 1),
        )
        # Before training a cell is as full as cells are on average.
        full = sum(scenes.sources) / 2 / len(cells.directions())
        with torch.no_grad():
            self.leave.weight.mul_(0.1)
            bias = torch.zeros(4 + recipe.curvatures)
            bias[0] = math.log(full / (1 - full))
            assert self.leave.bias is not None
            self.leave.bias.copy_(bias)

    middles: Tensor
    bends: Tensor
    positions: Tensor

    def forward(self, heard: Tensor, channel: Tensor, codes: Tensor) -> Proposed:
        """Propose sources."""
        with torch.no_grad():
            seen = self.features(heard, channel, codes)
        x = self.enter(seen.maps) + self.tell(seen.figures)[..., None, None]
        for block in self.blocks:
            x = block(x)
        made = self.leave(x).flatten(2).mT
        presence, offset, power, curvature = made.split((1, 2, 1, len(self.bends)), -1)
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
        """The surface, where the weights are."""
        return replace(self.surface.elements, positions=self.positions)

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
        width, height = self.cells.extent[2:]
        middle = self.middles[chosen]
        moved = offset.gather(1, chosen[..., None].expand(-1, -1, 2))
        bends = curvature.gather(1, chosen[..., None].expand(-1, -1, curvature.shape[-1]))
        there = presence.gather(1, chosen).sigmoid()
        return Factors(
            middle[..., 0] + width * moved[..., 0],
            middle[..., 1] + height * moved[..., 1],
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

    def __init__(self, width: int, dilation: int) -> None:
        """Both 3 x 3; the first one dilated."""
        super().__init__()
        self.norm = nn.GroupNorm(1, width)
        self.first = nn.Conv2d(width, width, 3, padding=dilation, dilation=dilation)
        self.second = nn.Conv2d(width, width, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """Keep the shape."""
        return x + self.second(functional.gelu(self.first(self.norm(x))))


def shown(made: Proposed) -> Tensor:
    """All that the terms compare, in one tensor `(batch, numbers)`."""
    parts = [made.presence, made.offset, made.curvature, made.count]
    parts.append(torch.view_as_real(made.covariance))
    return torch.cat([each.flatten(1) for each in parts], -1)
