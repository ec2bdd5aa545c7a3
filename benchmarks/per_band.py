"""The band split as it is usually written, one small module per band, with given weights.

The counterpart that `bandsplit_batched.py` races against; a test proves it equal to the batched
form, gradients included, so that the race is between equals.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from wellposed.nn.bandsplit import BandSplit, BandTaps


class SplitPerBand(nn.Module):
    """`BandSplit` as one `nn.Linear` per band, with the same weights."""

    def __init__(self, batched: BandSplit, widths: Sequence[int]) -> None:
        """Copy the weights of `batched`, whose bands are `widths` [bins]."""
        super().__init__()
        self.widths = list(widths)
        self.bands = nn.ModuleList()
        for k, weight in enumerate(batched.weight.detach().split(self.widths)):
            band = nn.Linear(2 * self.widths[k], weight.shape[-1])
            band.weight.data = weight.flatten(0, 1).T.contiguous()
            band.bias.data = batched.bias.detach()[k, 0].clone()
            self.bands.append(band)

    def forward(self, spectrum: Tensor) -> Tensor:
        """Map `(batch, frames, bins)` complex to `(batch, frames, bands, features)`."""
        parts = torch.view_as_real(spectrum).split(self.widths, dim=2)
        mapped = [band(part.flatten(2)) for band, part in zip(self.bands, parts, strict=True)]
        return torch.stack(mapped, dim=2)


class TapsPerBand(nn.Module):
    """`BandTaps` as two `nn.Linear` per band, with the same weights."""

    def __init__(self, batched: BandTaps, widths: Sequence[int]) -> None:
        """Copy the weights of `batched`, whose bands are `widths` [bins]."""
        super().__init__()
        self.taps = batched.taps
        self.norm = nn.LayerNorm(batched.inner.shape[1])
        self.norm.load_state_dict(batched.norm.state_dict())
        self.bands = nn.ModuleList()
        outers = batched.outer.detach().split(list(widths))
        biases = batched.outer_bias.detach().split(list(widths))
        for k, (outer, bias) in enumerate(zip(outers, biases, strict=True)):
            weight = outer.flatten(0, 1)
            inner = nn.Linear(batched.inner.shape[1], batched.inner.shape[2])
            inner.weight.data = batched.inner.detach()[k].T.contiguous()
            inner.bias.data = batched.inner_bias.detach()[k, 0].clone()
            last = nn.Linear(weight.shape[1], weight.shape[0])
            last.weight.data = weight.clone()
            last.bias.data = bias.flatten().clone()
            self.bands.append(nn.Sequential(inner, nn.Tanh(), last))

    def forward(self, features: Tensor) -> Tensor:
        """Map `(batch, frames, bands, features)` to complex `(batch, frames, bins, taps)`."""
        rows = self.norm(features).unbind(2)
        parts = [
            band(row).unflatten(-1, (-1, self.taps, 2))
            for band, row in zip(self.bands, rows, strict=True)
        ]
        return torch.view_as_complex(torch.cat(parts, dim=2))
