"""Critics of waveforms: scores at many places, and the layers on the way to them.

A critic maps `(batch, time)` to a `Said` for each of its parts.
"""

from typing import NamedTuple

from torch import Tensor, nn

from wellposed.nn.critics.bands import BandCritic
from wellposed.nn.critics.periods import PeriodCritic

__all__ = ["BandCritic", "PeriodCritic", "Said", "WaveCritic", "prepared"]


class Said(NamedTuple):
    """What one part of a critic says of `(batch, time)`."""

    scores: Tensor
    """`(batch, places)`, higher: real."""
    layers: list[Tensor]
    """What lies before the scores, `(batch, ...)` each."""


PEAK = 0.8
"""Peak of what a critic hears: descript-audio-codec's. Level is the reconstruction's concern."""


def prepared(wave: Tensor) -> Tensor:
    """Remove the mean of each item of `(batch, time)` and set its peak."""
    wave = wave - wave.mean(-1, keepdim=True)
    return PEAK * wave / (wave.abs().amax(-1, keepdim=True) + 1e-9)


class WaveCritic(nn.Module):
    """Period and band critics side by side (Kumar et al., arXiv:2306.06546, section 3.3)."""

    def __init__(
        self,
        rate: int,
        periods: tuple[int, ...],
        windows_ms: tuple[float, ...],
        period_channels: tuple[int, ...],
        band_channels: int,
    ) -> None:
        """Make one part for every period and every window."""
        super().__init__()
        parts: list[nn.Module] = [PeriodCritic(period, period_channels) for period in periods]
        parts += [BandCritic(rate, window, band_channels) for window in windows_ms]
        self.parts = nn.ModuleList(parts)

    def forward(self, wave: Tensor) -> list[Said]:
        """Hear `(batch, time)`."""
        heard = prepared(wave)
        return [Said(*part(heard)) for part in self.parts]
