"""What a perfect network would propose, and the straight way there: for audits and tests alone."""

import torch

from wellposed.dsp.arrays.sensors import Array
from wellposed.dsp.arrays.wavefront import Places
from wellposed.systems.locate.cells import Cells
from wellposed.systems.locate.covariance import hybrid
from wellposed.systems.locate.model import Proposed
from wellposed.systems.locate.truth import Truth

SURE = 12.0
"""Logit of what is certain: a probability of 6e-6 short of one."""
MIXED = ("presence", "offset", "curvature", "count")


def ideal(made: Proposed, truth: Truth, cells: Cells, elements: Array) -> Proposed:
    """The proposal that says what is there, in the shape of one that was `made`."""
    placed = cells.located(truth.places)
    presence = torch.full_like(made.presence, -SURE)
    offset, curvature = torch.zeros_like(made.offset), torch.zeros_like(made.curvature)
    count = torch.full_like(made.count, -SURE)
    for row, sources in enumerate(truth.count.tolist()):
        count[row, sources] = SURE
        for k in range(sources):
            cell = placed.cell[row, k]
            presence[row, cell] = SURE
            offset[row, cell] = placed.offset[row, k]
            if cells.curvatures == 1:
                continue
            low = int(placed.curvature[row, k].floor().clamp(max=cells.curvatures - 2))
            share = placed.curvature[row, k] - low
            shares = torch.full_like(curvature[row, cell], 1e-6)
            shares[low], shares[low + 1] = 1 - share + 1e-6, share + 1e-6
            curvature[row, cell] = shares.log()
    azimuth, elevation, inverse = truth.places.unbind(-1)
    inverse = torch.where(truth.there, inverse, 1.0)
    rays = elements.response(Places(azimuth, elevation, 1 / inverse))
    rays = rays * (truth.strength * truth.there)[:, None]
    return made._replace(
        presence=presence,
        offset=offset,
        curvature=curvature,
        count=count,
        root=hybrid(rays, torch.zeros_like(rays[..., :1]), 0.0),
    )


def between(one: Proposed, other: Proposed, share: float) -> Proposed:
    """A proposal moved this share of the way to another."""
    mixed = {
        name: (1 - share) * getattr(one, name) + share * getattr(other, name) for name in MIXED
    }
    # Roots side by side are the root of the sum.
    root = torch.cat(((1 - share) ** 0.5 * one.root, share**0.5 * other.root), -1)
    return one._replace(root=root, **mixed)
