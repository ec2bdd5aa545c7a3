"""Band split and its inverse, all bands in one batched product.

The bands of a spectrum differ in width. Instead of one small module per band, the weights of
all bands are gathered into one tensor padded to the widest band, and one batched matrix
product serves them all. Only real weights are parameters: padding is made of zeros at every
call. The mapping is the one of the band-split RNN (Luo and Yu, 2023, arXiv:2209.15174).
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional


class BandSplit(nn.Module):
    """Complex spectrum `(batch, frames, bins)` to features `(batch, frames, bands, features)`.

    One affine map per band, from the real and imaginary parts of its bins. Weights start
    uniform in +-1/sqrt(fan_in) of their own band, as `torch.nn.Linear` does.
    """

    slot: Tensor

    def __init__(self, widths: Sequence[int], features: int) -> None:
        """Split bins into bands of these `widths` [bins], each mapped to `features`."""
        super().__init__()
        bins = sum(widths)
        bound = torch.tensor([(2 * width) ** -0.5 for width in widths])
        per_bin = bound.repeat_interleave(torch.tensor(widths))
        self.weight = nn.Parameter((torch.rand(bins, 2, features) * 2 - 1) * per_bin[:, None, None])
        self.bias = nn.Parameter(
            (torch.rand(len(widths), 1, features) * 2 - 1) * bound[:, None, None]
        )
        self.register_buffer("slot", _slots(widths), persistent=False)

    def forward(self, spectrum: Tensor) -> Tensor:
        """Map `(batch, frames, bins)` complex to `(batch, frames, bands, features)`."""
        batch, frames, bins = spectrum.shape
        bands, widest = self.slot.shape
        # Bin number `bins` does not exist: it stands for padding and is zero.
        parts = functional.pad(torch.view_as_real(spectrum), (0, 0, 0, 1))
        padded = parts.reshape(batch * frames, bins + 1, 2)[:, self.slot.flatten()]
        inputs = padded.reshape(batch * frames, bands, 2 * widest).transpose(0, 1)
        weight = functional.pad(self.weight, (0, 0, 0, 0, 0, 1))[self.slot.flatten()]
        mapped = torch.baddbmm(self.bias, inputs, weight.reshape(bands, 2 * widest, -1))
        return mapped.transpose(0, 1).reshape(batch, frames, bands, -1)


class BandTaps(nn.Module):
    """Features `(batch, frames, bands, features)` to complex taps `(batch, frames, bins, taps)`.

    Per band: norm, linear, tanh, linear, as in the band-split RNN's mask estimator but
    without its gate. At the start the taps are near the identity: the untrained network
    returns its input, whose scores are known.
    """

    source: Tensor
    slot: Tensor

    def __init__(
        self, widths: Sequence[int], features: int, hidden: int, taps: int, identity: int
    ) -> None:
        """Make `taps` per bin through `hidden` units; tap `identity` starts at one."""
        super().__init__()
        self.taps = taps
        bands, bins, bound = len(widths), sum(widths), features**-0.5
        self.norm = nn.LayerNorm(features)
        self.inner = nn.Parameter((torch.rand(bands, features, hidden) * 2 - 1) * bound)
        self.inner_bias = nn.Parameter((torch.rand(bands, 1, hidden) * 2 - 1) * bound)
        # A tenth of the usual spread: the taps start within a few percent of the identity.
        self.outer = nn.Parameter((torch.rand(bins, 2 * taps, hidden) * 2 - 1) * 0.1 * hidden**-0.5)
        bias = torch.zeros(bins, taps, 2)
        bias[:, identity, 0] = 1.0
        self.outer_bias = nn.Parameter(bias)
        slot = _slots(widths)
        self.register_buffer("slot", slot, persistent=False)
        self.register_buffer("source", (slot.flatten() < bins).nonzero()[:, 0], persistent=False)

    def forward(self, features: Tensor) -> Tensor:
        """Map `(batch, frames, bands, features)` to complex `(batch, frames, bins, taps)`."""
        batch, frames, bands, width = features.shape
        rows = self.norm(features).reshape(batch * frames, bands, width).transpose(0, 1)
        inner = torch.tanh(torch.baddbmm(self.inner_bias, rows, self.inner))
        weight = functional.pad(self.outer, (0, 0, 0, 0, 0, 1))[self.slot.flatten()]
        outputs = torch.bmm(inner, weight.reshape(bands, -1, weight.shape[-1]).transpose(1, 2))
        padded = outputs.transpose(0, 1).reshape(batch * frames, -1, self.taps, 2)
        real = padded.index_select(1, self.source).float() + self.outer_bias
        return torch.view_as_complex(real).reshape(batch, frames, -1, self.taps)


def _slots(widths: Sequence[int]) -> Tensor:
    """Bin of every slot `(bands, widest)`; the number of bins stands for "no bin"."""
    bins = sum(widths)
    slot = torch.full((len(widths), max(widths)), bins, dtype=torch.long)
    start = 0
    for k, width in enumerate(widths):
        slot[k, :width] = torch.arange(start, start + width)
        start += width
    return slot
