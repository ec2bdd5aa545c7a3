"""What the locate system wants: named terms, one value per scene each; no order of sources in them.

Cells hold sources or not, whoever they are, so presence, angle and range need no matching; count,
covariance and subspaces have no order at all.
"""

import torch
from torch import Tensor
from torch.nn import functional

from wellposed.dsp.arrays.sensors import Array
from wellposed.dsp.arrays.wavefront import Places
from wellposed.dsp.subspace import signal_subspace
from wellposed.systems.locate.cells import Cells
from wellposed.systems.locate.model import Proposed
from wellposed.systems.locate.recipe import LocateRecipe
from wellposed.systems.locate.truth import Truth

SHADE = 0.7
"""Cells so near to a source, in cells, count as empty by only 1 - exp(-1/2): which of two cells
holds a source between them is not asked."""


def weights_of(recipe: LocateRecipe) -> dict[str, float]:
    """Weights by the names of the terms that are above zero; far sources have no range."""
    names = ("presence", "angle", "range", "count", "covariance", "alignment", "eigengap")
    asked = (name for name in names if name != "range" or recipe.scenes.kind == "surface")
    return {name: weight for name in asked if (weight := getattr(recipe.loss, name)) > 0}


def locate_terms(made: Proposed, truth: Truth, cells: Cells, elements: Array) -> dict[str, Tensor]:
    """Compare a batch with the truth; `{term: (batch,)}`, unweighted."""
    placed = cells.located(truth.places)
    there = truth.there.float()
    count = there.sum(-1)
    cell = placed.cell.unsqueeze(-1)
    offset = made.offset.gather(1, cell.expand(-1, -1, cells.axes))
    miss = functional.smooth_l1_loss(offset, placed.offset, reduction="none", beta=0.2).sum(-1)
    bends = made.curvature.gather(1, cell.expand(-1, -1, made.curvature.shape[-1]))
    found = {
        "presence": _presence(made.presence, truth, cells) / count,
        "angle": (miss * there).sum(-1) / count,
        "count": functional.cross_entropy(made.count, truth.count, reduction="none"),
    }
    if cells.curvatures > 1:
        found["range"] = (_curvature(bends, placed.curvature) * there).sum(-1) / count
    return found | _subspaces(made.covariance, truth, elements)


def _presence(logits: Tensor, truth: Truth, cells: Cells) -> Tensor:
    """Full cells by cross-entropy; empty ones by it, times the square of their probability."""
    placed = cells.located(truth.places)
    there = truth.there.float()
    full = torch.zeros_like(logits).scatter_reduce(1, placed.cell, there, "amax")
    apart = _apart(placed.cell, placed.offset, cells)
    shade = torch.exp(-apart / (2 * SHADE**2)) * there[..., None]
    empty = (1 - full) * (1 - shade.amax(1))
    doubt = logits.detach().sigmoid().square()
    return (full * functional.softplus(-logits) + empty * doubt * functional.softplus(logits)).sum(
        -1
    )


def _apart(cell: Tensor, offset: Tensor, cells: Cells) -> Tensor:
    """Squared distances in cells of sources from the middles of all cells."""
    every = torch.arange(cells.columns * cells.rows, device=cell.device)
    column = torch.div(cell, cells.rows, rounding_mode="floor") + offset[..., 0]
    row = cell % cells.rows + (0.0 if cells.flat else offset[..., 1])
    across = torch.div(every, cells.rows, rounding_mode="floor") - column[..., None]
    return across.square() + (every % cells.rows - row[..., None]).square()


def _curvature(logits: Tensor, wanted: Tensor) -> Tensor:
    """Cross-entropy with the two nearest curvatures, each by its nearness."""
    logs = logits.log_softmax(-1)
    low = wanted.floor().clamp(max=logits.shape[-1] - 2).long()
    share = wanted - low
    first = logs.gather(-1, low[..., None])[..., 0]
    second = logs.gather(-1, low[..., None] + 1)[..., 0]
    # What no estimate can avoid, the entropy of the two shares, is taken off: zero is reached.
    least = -(torch.xlogy(share, share) + torch.xlogy(1 - share, 1 - share))
    return -((1 - share) * first + share * second) - least


def _subspaces(covariance: Tensor, truth: Truth, elements: Array) -> dict[str, Tensor]:
    """Terms of the hybrid covariance; the number of sources it is judged by is the true one."""
    azimuth, elevation, inverse = truth.places.unbind(-1)
    inverse = torch.where(truth.there, inverse, torch.ones_like(inverse))
    there = truth.there.to(covariance.dtype)
    responses = elements.response(Places(azimuth, elevation, 1 / inverse)) * there[:, None]
    rays = responses * truth.strength[:, None]
    inner = rays.mH @ rays
    size = (
        inner.abs().square().sum((-2, -1)).sqrt() * covariance.abs().square().sum((-2, -1)).sqrt()
    )
    agree = ((covariance @ rays) * rays.conj()).sum((-2, -1)).real
    space = signal_subspace(covariance, truth.count)
    # The slope of a sum of eigenvalues is their projector: no slope of eigenvectors is asked for.
    kept = (space.projector.detach() * covariance.transpose(-1, -2)).sum((-2, -1)).real
    trace = covariance.diagonal(dim1=-2, dim2=-1).real.sum(-1)
    count = truth.count.to(kept)
    return {
        "covariance": 1 - agree / size,
        "alignment": 1 - _shared(space.projector, responses, truth.there) / count,
        "eigengap": 1 - kept / trace,
    }


def _shared(projector: Tensor, responses: Tensor, there: Tensor) -> Tensor:
    """tr(P Q Q^H), Q an orthonormal basis of the responses of the sources that are there."""
    elements = responses.shape[-2]
    inner = responses.mH @ responses / elements
    # Slots without a source are one by one; sources in one place share one dimension.
    missing = torch.diag_embed((~there).to(inner) + 1e-4)
    whitened = torch.linalg.solve(inner + missing, responses.mH @ projector @ responses / elements)
    return whitened.diagonal(dim1=-2, dim2=-1).sum(-1).real
