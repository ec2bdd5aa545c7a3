"""Measurements as functions of all that is unknown: what `identifiability` and an audit ask of.

The Jacobian of `observe` at `point` is that of the measurements without noise; the first `wanted`
unknowns are the places.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from wellposed.dsp.arrays.sensors import Array
from wellposed.dsp.arrays.wavefront import Coordinate, Places
from wellposed.dsp.surface import measured

SOLID: tuple[Coordinate, ...] = ("azimuth", "elevation", "range")


class Observation(NamedTuple):
    """Measurements, a typical point, and how many of its numbers are wanted."""

    observe: Callable[[Tensor], Tensor]
    point: Tensor
    wanted: int


def array_observation(
    array: Array, places: Places, symbols: Tensor, by: Sequence[Coordinate] = SOLID
) -> Observation:
    """Snapshots of sources at unknown places with unknown `symbols` `(sources, snapshots)`."""
    wanted = len(by) * len(symbols)

    def observe(unknown: Tensor) -> Tensor:
        amplitudes = _complex(unknown[wanted:], symbols.shape)
        return (array.response(_placed(unknown[:wanted], places, by)) @ amplitudes).flatten()

    return Observation(observe, torch.cat((_values(places, by), _real(symbols))), wanted)


def surface_observation(
    elements: Array,
    codes: Tensor,
    channel: Tensor,
    places: Places,
    symbols: Tensor,
    by: Sequence[Coordinate] = SOLID,
    channel_known: bool = True,
) -> Observation:
    """Measurements behind a surface, of static `symbols` `(sources,)`.

    With `channel_known` false one is given what arrives through the surface, H w_l for every code,
    in place of H `(chains, elements)`: as many numbers again as the measurements, and H among the
    unknowns.
    """
    wanted, count = len(by) * len(symbols), 2 * len(symbols)
    point = torch.cat((_values(places, by), _real(symbols)))
    if not channel_known:
        point = torch.cat((point, _real(channel)))

    def observe(unknown: Tensor) -> Tensor:
        amplitudes = _complex(unknown[wanted : wanted + count], symbols.shape)
        waves = elements.response(_placed(unknown[:wanted], places, by)) @ amplitudes
        if channel_known:
            return measured(channel, codes, waves).flatten()
        through = _complex(unknown[wanted + count :], channel.shape)
        return torch.cat((measured(through, codes, waves), codes @ through.mT)).flatten()

    return Observation(observe, point, wanted)


def _values(places: Places, by: Sequence[Coordinate]) -> Tensor:
    known = dict(zip(SOLID, places, strict=True))
    if unknown := [one for one in by if one not in known]:
        raise ValueError(f"cannot observe {', '.join(unknown)}; known: {', '.join(SOLID)}")
    return torch.cat([known[one] for one in by])


def _placed(values: Tensor, places: Places, by: Sequence[Coordinate]) -> Places:
    moved = dict(zip(by, values.view(len(by), -1), strict=True))
    return places._replace(**moved)


def _real(values: Tensor) -> Tensor:
    return torch.view_as_real(values.resolve_conj()).flatten()


def _complex(values: Tensor, shape: Sequence[int]) -> Tensor:
    # A view as complex numbers would ask for an even offset, which odd numbers of places have not.
    parts = values.reshape(*shape, 2)
    return torch.complex(parts[..., 0], parts[..., 1])
