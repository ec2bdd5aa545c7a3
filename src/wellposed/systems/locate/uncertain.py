"""How sure an estimate is: the inverse of the Fisher information at the estimate itself."""

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import torch
from torch import Tensor

from wellposed.dsp.arrays.wavefront import Coordinate, Places
from wellposed.dsp.power import power
from wellposed.metrics.bounds.fisher import deterministic
from wellposed.metrics.bounds.observations import SOLID
from wellposed.systems.locate.refine import State


class Sure(NamedTuple):
    """What a fit says of itself."""

    noise: Tensor
    """`()` power of one chain or sensor, from what is left, less what the unknowns took"""
    covariance: Tensor
    """`(wanted sources, wanted sources)` of azimuths, elevations [rad] and ranges [m], or what of
    them is wanted, blocks in this order; inf where nothing determines them"""
    power: Tensor
    """`(sources,)` of each source in one chain or sensor, on average"""


def sureness(states: Sequence[State], wanted: Sequence[Coordinate] = SOLID) -> list[Sure]:
    """Of every state, those of as many sources together; `wanted` coordinates are unknown."""
    made: dict[int, Sure] = {}
    groups: dict[int, list[int]] = {}
    for number, state in enumerate(states):
        groups.setdefault(len(state.amplitudes), []).append(number)
    for count, numbers in groups.items():
        each = _alike([states[number] for number in numbers], count, wanted)
        made |= dict(zip(numbers, each, strict=True))
    return [made[number] for number in range(len(states))]


def _alike(states: Sequence[State], count: int, wanted: Sequence[Coordinate]) -> list[Sure]:
    residual = torch.tensor([each.residual for each in states], dtype=torch.float64)
    numbers = torch.tensor([each.numbers for each in states], dtype=torch.float64)
    unknowns = torch.tensor([each.unknowns for each in states], dtype=torch.float64)
    noise = residual / (numbers - unknowns * count / 2).clamp(min=1.0)
    if not count:
        return [Sure(each, residual.new_zeros(0, 0), residual.new_zeros(0)) for each in noise]
    behind = [each.array.through for each in states]
    operators = torch.stack([each for each in behind if each is not None])
    array = replace(states[0].array, through=operators)
    places = Places(*(torch.stack(each) for each in zip(*(s.places for s in states), strict=True)))
    amplitudes = torch.stack([each.amplitudes for each in states])
    response = array.response(places)
    powers = amplitudes @ amplitudes.mH
    fisher = deterministic(response, array.derivatives(places, wanted), powers, noise)
    mean = power(response).sum(-2) * power(amplitudes).sum(-1) / numbers[:, None]
    return [Sure(*each) for each in zip(noise, fisher.bound(), mean, strict=True)]
