"""Rows of a block transform in the order of the power that the levels of bands tell of them.

Bits of a fixed place serve the frames whose power is there and waste those of others: of test
speech 44 % of the power lies above 0.8 kHz, in single scenes 85 %. Levels are sent first. What they
tell of every row is known to both sides, so the rows with the most power can be coded, whichever
they are, at no cost. Adaptive bit allocation of transform coders does the same (Zelinski and Noll,
1977, "Adaptive transform coding of speech signals").
"""

from collections.abc import Sequence
from functools import reduce
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor, nn

from wellposed.nn.causal import Tape
from wellposed.systems.codec.bands import LEVEL, ROOT, levels_of

LOUD = 2.0**4
"""Rows are so much larger than those of the orthonormal transform: about 1 in speech, and settled
to -85 dB of it (`nn.exact`). Those of a tone at full scale are 200."""
FINE = 2.0**10
"""Shares of a row in two bands are multiples of its inverse."""


KEYS = 2.0**16
"""Keys are multiples of its inverse below 16, which float32 and the exact arithmetic hold."""


class Ranks(NamedTuple):
    """The rows of each frame that are coded, and what they are divided by for it."""

    order: Tensor
    """int64 `(batch, coded, frames)`, the row with the most power first."""
    scale: Tensor
    """`(batch, coded, frames)`; 0 where nothing is."""


def _roots(levels: Tensor) -> Tensor:
    """Fourth roots of powers, with that of none added."""
    return levels.clamp(min=0) / LEVEL + ROOT


class Powers(nn.Module):
    """Levels of bands from rows, and back what they tell of every row."""

    before: Tensor
    after: Tensor
    share: Tensor

    def __init__(self, edges: Sequence[int]) -> None:
        """Bands between `edges`, rows of the transform; the first is 0. Two bands at least."""
        super().__init__()
        self.sizes = [end - start for start, end in pairwise(edges)]
        middles = torch.tensor([(a + b - 1) / 2 for a, b in pairwise(edges)])
        rows = torch.arange(edges[-1], dtype=torch.float32)
        after = torch.searchsorted(middles, rows).clamp(1, len(middles) - 1)
        low, high = middles[after - 1], middles[after]
        share = ((rows - low) / (high - low)).clamp(0, 1)
        self.register_buffer("before", after - 1, persistent=False)
        self.register_buffer("after", after, persistent=False)
        share = (share * FINE).round() / FINE
        self.register_buffer("share", share[:, None], persistent=False)

    def levels(self, rows: Tensor, tape: Tape) -> Tensor:
        """Levels `(batch, bands, frames)` of rows `(batch, rows, frames)`, 0 for silence."""
        powers = [each.square().sum(1) / each.shape[1] for each in rows.split(self.sizes, 1)]
        return tape.settle(levels_of(torch.stack(powers, 1) / LOUD**2))

    @torch.no_grad()
    def amplitudes(self, levels: Tensor) -> Tensor:
        """Amplitude of every row `(batch, rows, frames)`: between bands a line, of their levels.

        Only operations that IEEE 754 rounds exactly: the same on every machine.
        """
        roots = _roots(levels)
        share = self.share.to(roots)
        between = roots[:, self.before] * (1 - share) + roots[:, self.after] * share
        return LOUD * (between.square().square() - ROOT**4).clamp(min=0).sqrt()

    @torch.no_grad()
    def total(self, levels: Tensor) -> Tensor:
        """Power of all rows together `(batch, 1, frames)` by their levels."""
        powers = LOUD**2 * (_roots(levels).square().square() - ROOT**4)
        parts = zip(self.sizes, powers.split(1, 1), strict=True)
        return reduce(torch.add, [size * each for size, each in parts])


class Told(NamedTuple):
    """The parts of a latent `(batch, rows + bands + 1, frames)`."""

    rows: Tensor
    """Of the transform; zero where nothing was sent."""
    levels: Tensor
    """Of bands, see `bands.LEVEL`."""
    key: Tensor
    """A number `(batch, 1, frames)` of the codes that signs of noise are drawn by; 0 before."""

    @property
    def latent(self) -> Tensor:
        """All in one."""
        return torch.cat(self, 1)

    @classmethod
    def of(cls, latent: Tensor, powers: Powers) -> "Told":
        """Take a latent apart."""
        return cls(*latent.split([len(powers.share), len(powers.sizes), 1], 1))


def odd_numbers(number: int, bits: int) -> list[int]:
    """Odd numbers below 2^bits without a pattern, the same for ever.

    Upper bits of the linear congruential generator that ISO C gives as an example: files must
    decode as they do now, whatever a library's generator becomes.
    """
    state, made = 1, []
    for _ in range(number):
        state = (1103515245 * state + 12345) % (1 << 31)
        made.append(state >> (31 - bits) | 1)
    return made


def key_of(codes: Tensor) -> Tensor:
    """Key `(batch, 1, frames)`, float64, of codes `(batch, stages, frames)`; -1 counts as 0."""
    weights = torch.tensor(odd_numbers(codes.shape[1], 20), device=codes.device)[:, None]
    summed = (codes.clamp(min=0) * weights).sum(1, keepdim=True)
    return (summed % (1 << 20)).double() / KEYS


@torch.no_grad()
def ranked(amplitudes: Tensor, coded: int) -> Ranks:
    """Order rows `(batch, rows, frames)` by amplitude; of equal ones the lower row comes first.

    The scale is the RMS of a frame's coded rows to 3/4 and the row's own amplitude to 1/4, so that
    an error is a little smaller where less power is, as ears want it: without, PESQ is 0.04 less
    at the same SI-SDR, with halves the same and 0.2 dB less (the untrained transform, 20 scenes).
    """
    order = torch.sort(amplitudes, dim=1, descending=True, stable=True).indices[:, :coded]
    own = amplitudes.gather(1, order)
    # One after the other: the order of a sum over an axis is the library's.
    total = reduce(torch.add, own.square().split(1, 1))
    level = (total / coded).sqrt()
    return Ranks(order, level.sqrt() * level.sqrt().sqrt() * own.sqrt().sqrt())
