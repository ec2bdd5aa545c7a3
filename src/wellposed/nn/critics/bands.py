"""A critic of complex spectra, band by band (Kumar et al., arXiv:2306.06546, section 3.3)."""

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.parametrizations import weight_norm

from wellposed.dsp.stft import Stft
from wellposed.nn.critics.periods import SLOPE

BANDS = (0.0, 0.1, 0.25, 0.5, 0.75, 1.0)
"""Edges as a share of half the sample rate, those of descript-audio-codec."""


class BandCritic(nn.Module):
    """Real and imaginary part of each band through its own layers, all bands to one score map."""

    def __init__(self, rate: int, window_ms: float, channels: int) -> None:
        """Five layers a band: three of them halve the bins."""
        super().__init__()
        self.stft = Stft.of_duration(rate, window_ms, window_ms / 4)
        edges = [round(share * self.stft.bins) for share in BANDS]
        self.edges = list(pairwise(edges))

        def layer(inputs: int, taps: tuple[int, int], stride: int) -> nn.Module:
            pad = (taps[0] // 2, taps[1] // 2)
            return weight_norm(nn.Conv2d(inputs, channels, taps, (1, stride), pad))

        self.bands = nn.ModuleList(
            nn.ModuleList(
                [
                    layer(2, (3, 9), 1),
                    layer(channels, (3, 9), 2),
                    layer(channels, (3, 9), 2),
                    layer(channels, (3, 9), 2),
                    layer(channels, (3, 3), 1),
                ]
            )
            for _ in self.edges
        )
        self.last = weight_norm(nn.Conv2d(channels, 1, 3, 1, 1))

    def forward(self, wave: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Scores `(batch, places)` and the layers before them."""
        with torch.autocast(wave.device.type, enabled=False):
            spectrum = torch.view_as_real(self.stft.forward(wave.float()))
        x = spectrum.permute(0, 3, 1, 2)
        passed, ends = [], []
        for (low, high), layers in zip(self.edges, self.bands, strict=True):
            band = x[..., low:high]
            for layer in layers if isinstance(layers, nn.ModuleList) else ():
                band = functional.leaky_relu(layer(band), SLOPE)
                passed.append(band)
            ends.append(band)
        return self.last(torch.cat(ends, -1)).flatten(1), passed
