"""A critic that predicts a score of quality from two spectra: a stand-in for a metric.

After Fu et al., "MetricGAN", 2019 (arXiv:1905.04874), in the form of Cao et al., "CMGAN", 2022
(arXiv:2203.15149): convolutions of stride 2 under spectral norm over the magnitudes of reference
and estimate, the largest value of every channel, two linear layers, and a sigmoid that may reach
beyond 1, so that a perfect score is not at infinity.
"""

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.parametrizations import spectral_norm

from wellposed.dsp.stft import Stft

EXPONENT = 0.3
"""Compression of the magnitudes."""
FLOOR = 1e-6
"""Added to the power of every bin, as in the losses: it bounds the slope at zero."""
CEILING = 1.2
"""Largest score (CMGAN's): the target 1 then lies where the sigmoid still has a slope."""
WINDOW_MS, HOP_MS = 32.0, 16.0
SEEN = 256
"""Predictions that the calibration is taken over; see `Calibration`."""


class MetricCritic(nn.Module):
    """Reference and estimate, waveforms `(batch, time)`, to a score `(batch,)` in 0 to 1.2.

    Always in float32: a score is compared with a metric to three digits, bfloat16 has two.
    """

    def __init__(self, rate: int, channels: int = 16) -> None:
        """Build for signals at `rate` [Hz]; the four layers have 1, 2, 4 and 8 times `channels`."""
        super().__init__()
        self.stft = Stft.of_duration(rate, WINDOW_MS, HOP_MS)
        widths = (2, channels, 2 * channels, 4 * channels, 8 * channels)
        layers: list[nn.Module] = []
        for width, wider in pairwise(widths):
            convolution = nn.Conv2d(width, wider, 4, stride=2, padding=1, bias=False)
            norm = nn.InstanceNorm2d(wider, affine=True)
            layers += [spectral_norm(convolution), norm, nn.PReLU(wider)]
        # The largest value of a channel of mean 0 is never negative: a last PReLU would never bend.
        self.convolutions = nn.Sequential(*layers[:-1])
        self.inner = spectral_norm(nn.Linear(widths[-1], widths[-2]))
        self.bend = nn.PReLU(widths[-2])
        self.outer = spectral_norm(nn.Linear(widths[-2], 1))
        self.slope = nn.Parameter(torch.ones(()))
        self.calibration = Calibration()

    def forward(self, reference: Tensor, estimate: Tensor) -> Tensor:
        """Score the estimate by what the reference says."""
        with torch.autocast(estimate.device.type, enabled=False):
            pair = torch.stack([self._magnitudes(x) for x in (reference, estimate)], 1)
            pooled = self.convolutions(pair).amax((2, 3))
            score = self.outer(self.bend(self.inner(pooled))).squeeze(1)
            return CEILING * torch.sigmoid(self.slope * score)

    def _magnitudes(self, wave: Tensor) -> Tensor:
        """Compressed magnitudes `(batch, frames, bins)`; short signals are filled with silence."""
        # Sixteen frames are one after four layers of stride 2.
        lacking = max(0, 16 * self.stft.hop - wave.shape[-1])
        spectrum = self.stft.forward(functional.pad(wave.float(), (0, lacking)))
        power = spectrum.real.square() + spectrum.imag.square()
        return (power + FLOOR) ** (EXPONENT / 2)


class Calibration(nn.Module):
    """The last `SEEN` predictions and what turned out to be true, part of the network's state.

    Every prediction was made before the critic was trained on that example. So this says what the
    critic knows of new estimates, and a critic that has collapsed shows as a correlation of 0.
    """

    predicted: Tensor
    true: Tensor
    count: Tensor

    def __init__(self) -> None:
        """Remember nothing as yet."""
        super().__init__()
        self.register_buffer("predicted", torch.zeros(SEEN))
        self.register_buffer("true", torch.zeros(SEEN))
        self.register_buffer("count", torch.zeros((), dtype=torch.int64))

    @torch.no_grad()
    def add(self, predicted: Tensor, true: Tensor) -> None:
        """Take in predictions and truths `(n,)`; the oldest are forgotten."""
        places = (self.count + torch.arange(len(true), device=true.device)) % SEEN
        self.predicted[places], self.true[places] = predicted.float(), true.float()
        self.count += len(true)

    @torch.no_grad()
    def figures(self) -> dict[str, Tensor]:
        """Correlation, slope of the prediction over the truth, mean error, and number of pairs.

        The slope is that of the least-squares line: 1 is right, 0 a critic that says the same of
        everything. Without spread, of either side, correlation or slope do not exist and are left
        out.
        """
        pairs = min(int(self.count), SEEN)
        told = {"pairs": torch.tensor(float(pairs))}
        if pairs == 0:
            return told
        p, t = self.predicted[:pairs].double(), self.true[:pairs].double()
        told["mean_error"] = (p - t).mean().float()
        p, t = p - p.mean(), t - t.mean()
        within, across = t.square().sum(), p.square().sum()
        if within > 0:
            told["slope"] = ((p * t).sum() / within).float()
        if within > 0 and across > 0:
            told["correlation"] = ((p * t).sum() / (within * across).sqrt()).float()
        return told
