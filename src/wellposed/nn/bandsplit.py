"""Band split and its inverse, with one batched product for all bands of one width.

Neighbouring bands of one width form a run, and one batched matrix product serves a run: three
or four products instead of one small module per band. Weights are stored per bin, so nothing is
padded and no weight is dead. The mapping is the one of the band-split RNN (Luo and Yu, 2023,
arXiv:2209.15174).
"""

from collections.abc import Sequence
from itertools import groupby
from typing import NamedTuple

import torch
from torch import Tensor, nn


class _Run(NamedTuple):
    """Neighbouring bands of one width, as slices of the bands and of the bins."""

    bands: slice
    bins: slice
    count: int
    width: int


class BandSplit(nn.Module):
    """Complex spectrum `(batch, frames, bins)` to features `(batch, frames, bands, features)`.

    One affine map per band, from the real and imaginary parts of its bins. Weights start
    uniform in +-1/sqrt(fan_in) of their own band, as `torch.nn.Linear` does.
    """

    def __init__(self, widths: Sequence[int], features: int) -> None:
        """Split bins into bands of these `widths` [bins], each mapped to `features`."""
        super().__init__()
        self.widths = tuple(widths)
        self._runs = _runs(widths)
        bound = torch.tensor([(2 * width) ** -0.5 for width in widths])
        per_bin = bound.repeat_interleave(torch.tensor(widths))
        weight = (torch.rand(sum(widths), 2, features) * 2 - 1) * per_bin[:, None, None]
        bias = (torch.rand(len(widths), 1, features) * 2 - 1) * bound[:, None, None]
        self.weight, self.bias = nn.Parameter(weight), nn.Parameter(bias)

    def forward(self, spectrum: Tensor) -> Tensor:
        """Map `(batch, frames, bins)` complex to `(batch, frames, bands, features)`."""
        batch, frames, _ = spectrum.shape
        parts = torch.view_as_real(spectrum).flatten(0, 1)
        mapped = []
        for run in self._runs:
            inputs = parts[:, run.bins].reshape(batch * frames, run.count, 2 * run.width)
            weight = self.weight[run.bins].reshape(run.count, 2 * run.width, -1)
            mapped.append(torch.baddbmm(self.bias[run.bands], inputs.transpose(0, 1), weight))
        return torch.cat(mapped).transpose(0, 1).unflatten(0, (batch, frames))


class BandTaps(nn.Module):
    """Features `(batch, frames, bands, features)` to complex taps `(batch, frames, bins, taps)`.

    Per band: norm, linear, tanh, linear, as in the band-split RNN's mask estimator but
    without its gate. At the start the taps are near the identity: the untrained network
    returns its input, whose scores are known.
    """

    def __init__(
        self, widths: Sequence[int], features: int, hidden: int, taps: int, identity: int
    ) -> None:
        """Make `taps` per bin through `hidden` units; tap `identity` starts at one."""
        super().__init__()
        self.taps = taps
        self._runs = _runs(widths)
        bands, bins, bound = len(widths), sum(widths), features**-0.5
        self.norm = nn.LayerNorm(features)
        self.inner = nn.Parameter((torch.rand(bands, features, hidden) * 2 - 1) * bound)
        self.inner_bias = nn.Parameter((torch.rand(bands, 1, hidden) * 2 - 1) * bound)
        # A tenth of the usual spread: the taps start within a few percent of the identity.
        self.outer = nn.Parameter((torch.rand(bins, 2 * taps, hidden) * 2 - 1) * 0.1 * hidden**-0.5)
        bias = torch.zeros(bins, taps, 2)
        bias[:, identity, 0] = 1.0
        self.outer_bias = nn.Parameter(bias)

    def forward(self, features: Tensor) -> Tensor:
        """Map `(batch, frames, bands, features)` to complex `(batch, frames, bins, taps)`."""
        batch, frames = features.shape[:2]
        rows = self.norm(features).flatten(0, 1).transpose(0, 1)
        inner = torch.tanh(torch.baddbmm(self.inner_bias, rows, self.inner))
        parts = []
        for run in self._runs:
            weight = self.outer[run.bins].reshape(run.count, run.width * 2 * self.taps, -1)
            outputs = torch.bmm(inner[run.bands], weight.transpose(1, 2)).transpose(0, 1)
            parts.append(outputs.reshape(batch, frames, -1, self.taps, 2))
        return torch.view_as_complex(torch.cat(parts, dim=2).float() + self.outer_bias)


def _runs(widths: Sequence[int]) -> list[_Run]:
    """Gather neighbouring bands of one width."""
    runs, band, start = [], 0, 0
    for width, group in groupby(widths):
        count = len(list(group))
        bins = slice(start, start + count * width)
        runs.append(_Run(slice(band, band + count), bins, count, width))
        band, start = band + count, bins.stop
    return runs
