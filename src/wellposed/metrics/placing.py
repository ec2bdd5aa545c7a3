"""Estimated places beside true ones: who is whom, and how far off."""

from itertools import permutations
from typing import NamedTuple

import torch
from torch import Tensor

from wellposed.dsp.arrays.geometry import direction
from wellposed.dsp.arrays.wavefront import Places


class Placing(NamedTuple):
    """Errors `(..., sources)` of estimates put in the order of the true sources."""

    azimuth: Tensor
    """[rad], within half a turn"""
    elevation: Tensor
    """[rad]"""
    range: Tensor
    """unit of the ranges; nan where both are infinitely far"""
    angle: Tensor
    """[rad] between the two directions"""


def ordered(found: Places, truth: Places) -> Places:
    """`found` in the order of `truth`, by the least sum of angles between directions.

    Both `(..., sources)`, as many in one as in the other. All orders are tried: meant for few.
    """
    sources = truth.azimuth.shape[-1]
    away = between(_each(found, -2), _each(truth, -1))
    orders = torch.tensor(list(permutations(range(sources))), device=away.device)
    cost = away[..., orders, torch.arange(sources, device=away.device)].sum(-1)
    best = orders[cost.argmin(-1)]
    return Places(*(each.gather(-1, best) for each in torch.broadcast_tensors(*found)))


def placing(found: Places, truth: Places) -> Placing:
    """Errors of the estimates, each beside its source."""
    each = ordered(found, truth)
    turn = torch.remainder(each.azimuth - truth.azimuth + torch.pi, 2 * torch.pi) - torch.pi
    return Placing(
        turn, each.elevation - truth.elevation, each.range - truth.range, between(each, truth)
    )


def between(first: Places, second: Places) -> Tensor:
    """Angle [rad] between directions; exact for small ones, where an arc cosine is not."""
    one, two = (direction(each.azimuth, each.elevation) for each in (first, second))
    return 2 * ((one - two).norm(dim=-1) / 2).clamp(max=1).asin()


def _each(places: Places, axis: int) -> Places:
    """One more axis to compare all with all: `(..., sources, 1)` or `(..., 1, sources)`."""
    where = -1 if axis == -2 else -2
    return Places(*(each.unsqueeze(where) for each in torch.broadcast_tensors(*places)))
