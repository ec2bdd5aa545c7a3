"""Several voices at once: who else is heard beside the loudest.

What the loudest leaves is looked at again. Another voice is told where it stands out of what chance
makes of the same phases, turned at random from band to band, where at least half as much of the
sound comes from it as from the loudest, and where its delays are not another's times a factor. Less
than half is no voice for sure: wrong distances, a wrong speed of sound and reflections leave
directions, too, up to 0.29 of the loudest in three recordings of one source.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from wellposed.dsp.arrays.geometry import direction
from wellposed.dsp.doa.voices import climbed_in_turn, left_of, waves, weights
from wellposed.systems.locate.talk_search import Search

HALF = 0.5
"""Least share of the sound of a further voice, relative to the loudest one's: see above."""
TOGETHER = 4
"""Bins that are turned together: as many as the main lobe of the window has, whose phases are not
independent."""
CHANCES = 99
"""Random turns, all of which a voice must exceed: chance alone does in one of a hundred cases."""


@dataclass(frozen=True)
class Voice:
    """A direction among several."""

    azimuth: float
    """[rad]"""
    elevation: float
    """[rad]"""
    share: float
    """Of the sound, frames by their amplitude, that comes from there: 1 is all, in all bins"""
    deviations: tuple[float, float]
    """Standard deviations of azimuth and elevation [rad]; NaN where pieces are too few"""


def several(
    search: Search, crossed: Tensor, loudest: Tensor, size: float, draws: Tensor | None
) -> tuple[Voice, ...]:
    """Voices in cross-spectra `(pieces, pairs, bins)`, the strongest first; none if it is one.

    `loudest` `(2,)` is the direction of all together, `size` the amplitude of all frames, `draws`
    `(n, pieces)` how often pieces were drawn for deviations.
    """
    whole, angles = crossed.sum(0, keepdim=True), loudest[None, None]
    shares = _shares(search, whole, angles) / size
    sensors = int(search.pairs.second.max()) + 1
    while angles.shape[1] < sensors - 1:
        left = _left(search, whole, angles)
        if not _stands_out(search, left):
            break
        more = torch.cat((angles, search.best(left)[:, None]), 1)
        more = climbed_in_turn(whole, search.pairs, search.wavenumbers, more, search.climbed)
        found = _shares(search, whole, more) / size
        if float(found.min()) < HALF * float(found.max()) or _alike(search, more[0]):
            break
        angles, shares = more, found
    if angles.shape[1] == 1:
        return ()
    spread = _deviations(search, crossed, angles, draws)
    order = shares[0].argsort(descending=True).tolist()
    return tuple(
        Voice(
            float(angles[0, k, 0]),
            float(angles[0, k, 1]),
            float(shares[0, k]),
            (spread[k][0], spread[k][1]),
        )
        for k in order
    )


def _shares(search: Search, whole: Tensor, angles: Tensor) -> Tensor:
    """Mean weights over bins `(n, voices)`."""
    return weights(whole, waves(search.pairs, search.wavenumbers, angles)).mean(-1)


def _left(search: Search, whole: Tensor, angles: Tensor) -> Tensor:
    made = waves(search.pairs, search.wavenumbers, angles)
    return left_of(whole, made, weights(whole, made))


def _alike(search: Search, angles: Tensor) -> bool:
    """Whether two voices `(voices, 2)` may be one, heard with delays that are wrong by a factor.

    Their paths between all pairs are then proportional, to a quarter of the shortest wave. All
    paths along a line are: there only equal ones are one voice.
    """
    paths = direction(angles[:, 0], angles[:, 1]) @ search.pairs.apart.mT
    paths = paths[paths.square().sum(-1).argsort(descending=True)]
    factor = (paths @ paths.mT) / paths.square().sum(-1)[:, None]
    if not bool(search.free.all()):
        factor = torch.ones_like(factor)
    off = (paths[None] - factor[..., None] * paths[:, None]).abs().amax(-1)
    quarter = math.pi / 2 / float(search.wavenumbers.max())
    first, second = torch.triu_indices(len(paths), len(paths), 1)
    return bool(((off < quarter) & (factor > 0))[first, second].any())


def _stands_out(search: Search, left: Tensor) -> bool:
    """Whether the best direction is better than those of bins that were turned at random."""
    bins = left.shape[-1]
    made = torch.Generator().manual_seed(0)
    turns = torch.rand(CHANCES, -(-bins // TOGETHER), generator=made, dtype=torch.float64)
    phases = 2 * math.pi * turns.repeat_interleave(TOGETHER, 1)[:, None, :bins]
    chance = search.seen(left * torch.polar(torch.ones_like(phases), phases)).amax(-1)
    return float(search.seen(left).max()) > float(chance.max())


def _deviations(
    search: Search, crossed: Tensor, angles: Tensor, draws: Tensor | None
) -> list[list[float]]:
    """Of azimuth and elevation of each voice, the others as they are, over drawn pieces."""
    if draws is None:
        return [[math.nan, math.nan]] * angles.shape[1]
    found = []
    made = waves(search.pairs, search.wavenumbers, angles)
    for part in draws.split(50):
        again = (part.to(crossed.dtype) @ crossed.flatten(1)).unflatten(1, crossed.shape[1:])
        shares = weights(again, made.expand(len(part), -1, -1, -1))
        left = left_of(again, made, shares)
        found.append(
            torch.stack(
                [
                    search.climbed(
                        left + shares[:, one, None] * made[:, one],
                        angles[:, one].expand(len(part), 2).contiguous(),
                    )
                    for one in range(angles.shape[1])
                ],
                1,
            )
        )
    apart = torch.cat(found) - angles
    return (torch.remainder(apart + math.pi, 2 * math.pi) - math.pi).std(0).tolist()
