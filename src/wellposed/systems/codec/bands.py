"""Levels of the bands above what a codec follows in its waveform, and a texture that has them.

In a few kilobits a second there is no room for the waveform of all frequencies, and errors of its
phase are noise between harmonics. Above a frequency the ear minds the levels of bands most: they
are latents as any others, the fourth root of a band's power in a frame, as loudness goes by a
small power. The decoder adds a pattern of its own for every band, scaled by the square of what the
codes tell of its level. The low bands keep their waveform. Spectral band replication and noise
filling do the same in transform codecs (ISO/IEC 14496-3).
"""

from itertools import pairwise

import torch
from torch import Tensor, nn

from wellposed.dsp.mel import hz_to_mel, mel_to_hz
from wellposed.nn.causal import CausalConv, Tape

ROOT = 2.0**-6
"""Fourth root of the power that counts as none: -72 dB, below the noise of quiet recordings."""
LEVEL = 1.5
"""Latent of a band of power 1: bands then have about the level of the latents of the waveform."""


def band_edges(first: int, rows: int, number: int, hertz: float) -> list[int]:
    """Rows of a cosine transform at which bands begin, and the end: even in mel from `first` on.

    A row is `hertz` wide. Raises ValueError: fewer rows than bands.
    """
    if rows - first < number:
        raise ValueError(f"{number} bands of {rows - first} rows above row {first}; take fewer")
    low, high = hz_to_mel(torch.tensor([first * hertz, rows * hertz], dtype=torch.float64))
    corners = mel_to_hz(torch.linspace(0, 1, number + 1, dtype=torch.float64) * (high - low) + low)
    edges = [round(float(corner) / hertz) for corner in corners]
    for index in range(1, number + 1):
        # No band is empty, and enough rows are left for those above it.
        least, most = edges[index - 1] + 1, rows - (number - index)
        edges[index] = min(max(edges[index], least), most)
    return edges


def levels_of(powers: Tensor) -> Tensor:
    """Latents of powers: 0 for silence, `LEVEL` for 1, in proportion to the fourth root."""
    return LEVEL * ((powers + ROOT**4).sqrt().sqrt() - ROOT)


class BandLevels(nn.Module):
    """Waveform `(batch, 1, frames * hop)` to levels `(batch, bands, frames)`, 0 for silence."""

    def __init__(self, hop: int, edges: list[int]) -> None:
        """Draw a filter for every row of every band; a frame sees its own samples alone."""
        super().__init__()
        self.sizes = [after - before for before, after in pairwise(edges)]
        self.rows = CausalConv(1, sum(self.sizes), hop, stride=hop, bias=False)

    def forward(self, wave: Tensor, tape: Tape) -> Tensor:
        """Measure. Sums of squares of settled values are exact, and square roots of IEEE 754."""
        heard = self.rows(wave, tape)
        heard = heard if heard.dtype == torch.float64 else heard.float()
        powers = [each.square().sum(1) / each.shape[1] for each in heard.split(self.sizes, 1)]
        return tape.settle(levels_of(torch.stack(powers, 1)))


class BandTextures(nn.Module):
    """Levels `(batch, bands, frames)` to a waveform `(batch, 1, frames * hop)`.

    A pattern for every band, learned: of a frame, and of the one after it.
    """

    def __init__(self, hop: int, bands: int) -> None:
        """Draw patterns."""
        super().__init__()
        self.patterns = CausalConv(bands, hop, 2, bias=False)

    def forward(self, levels: Tensor, tape: Tape) -> Tensor:
        """Sound; zero levels are silent."""
        made = self.patterns(tape.settle(levels * levels), tape)
        return made.transpose(1, 2).flatten(1)[:, None]
