"""Sources one after the other: Newtonised orthogonal matching pursuit.

The place that explains most of what is left is added, and all places found so far are fitted
together; then the next. Mamandipoor, Ramasamy and Madhow, "Newtonized orthogonal matching
pursuit", IEEE Trans. SP 64 (2016), with the joint fit in place of their cyclic Newton steps.
Coherent sources, one snapshot, any operator behind the array: all are the same to it.
"""

import torch
from torch import Tensor

from wellposed.dsp.arrays.sensors import Array
from wellposed.dsp.arrays.wavefront import Places
from wellposed.dsp.doa.fitting import Fit, Search, compressed, fit
from wellposed.dsp.doa.grids import Grid


def pursue(array: Array, data: Tensor, grid: Grid, sources: int, search: Search) -> list[Fit]:
    """Fits with 1, 2 ... `sources` sources of `data` `(..., outputs, snapshots)`."""
    given = compressed(data)
    response, energy = _candidates(array, grid)
    found: list[Fit] = []
    left = given
    while len(found) < sources:
        # Conjugating what is left is cheap; conjugating the responses would copy them.
        score = (left.to(response.dtype).mH @ response).abs().square().sum(-2) / energy
        added = grid.at(score.argmax(-1, keepdim=True)).to(given.dtype.to_real())
        start = added if not found else _joined(found[-1].places, added)
        found.append(fit(array, given, start, search))
        left = found[-1].left
    return found


def residuals(data: Tensor, fits: list[Fit]) -> Tensor:
    """Powers left `(..., orders)` with 0, 1 ... sources, as `count_by_residuals` takes them."""
    return torch.stack([data.abs().square().sum((-2, -1)), *(each.residual for each in fits)], -1)


def _candidates(array: Array, grid: Grid) -> tuple[Tensor, Tensor]:
    """Responses of the grid and their energies, in single precision: they only choose a point."""
    response = array.to(torch.float32).response(grid.places.to(torch.float32))
    return response, response.abs().square().sum(-2)


def _joined(first: Places, second: Places) -> Places:
    pairs = zip(torch.broadcast_tensors(*first), torch.broadcast_tensors(*second), strict=True)
    return Places(*(torch.cat(pair, -1) for pair in pairs))
