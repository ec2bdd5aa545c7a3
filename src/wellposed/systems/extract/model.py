"""A band-split network that keeps one speaker of a mixture, told by an enrolment which.

The mixture and the enrolment go through one band split. Before each pair of paths the mixture's
frames look at the enrolment's (nn/cues.py). Complex taps and a gate per band filter the mixture.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from wellposed.dsp.bands import band_widths
from wellposed.dsp.levels import compression_gain
from wellposed.dsp.stft import Stft
from wellposed.dsp.taps import filter_taps
from wellposed.nn.bandfilter import BandFilter
from wellposed.nn.bandsplit import BandSplit, BandTaps
from wellposed.nn.cues import BandGate, Cue, Enrolled, EnrolmentEncoder, PresenceHead
from wellposed.nn.dualpath import DualPath
from wellposed.systems.extract.recipe import Model

TAPS = 3
NOBODY = -20.0
"""Logit of presence where nobody is asked for: a probability of 2e-9."""


class Extracted(NamedTuple):
    """What one forward gives."""

    estimate: Tensor
    """`(batch, time)`"""
    frames: Tensor
    """Logits `(batch, frames)` that the wanted speaker speaks in a frame."""
    whole: Tensor
    """Logits `(batch,)` that the wanted speaker is in the scene."""


class Extract(BandFilter):
    """Mixture `(batch, time)` and enrolment to the wanted speaker's part of the mixture.

    The same `forward` serves training and use. Scaling the mixture scales the output, scaling the
    enrolment changes nothing; a silent mixture, and a silent enrolment (nobody is asked for), give
    exact silence.
    """

    threshold: Tensor
    """Of the logit of a scene."""

    def __init__(self, recipe: Model, rate: int) -> None:
        """Build the network of `recipe` for audio at `rate` [Hz]."""
        super().__init__()
        self.rate, self.causal = rate, recipe.causal
        self.stft = Stft.of_duration(rate, recipe.window_ms, recipe.hop_ms)
        self.level_frames = max(1, round(recipe.level_window_s * 1000 / recipe.hop_ms))
        self.exponent = recipe.input_exponent
        widths = band_widths(self.stft.bins, self.stft.bin_hz, recipe.bands)
        size, hidden, kind = recipe.features, recipe.hidden, recipe.block
        self.split = BandSplit(widths, size)
        self.encoder = EnrolmentEncoder(
            size, hidden, recipe.embedding, block=kind, states=recipe.states
        )
        self.cues = nn.ModuleList(
            Cue(size, recipe.embedding, heads=recipe.heads, keys=recipe.keys)
            for _ in range(recipe.depth)
        )
        self.paths = DualPath(
            size, hidden, recipe.depth, causal=recipe.causal, block=kind, states=recipe.states
        )
        self.lookahead = 0 if recipe.causal else 1
        self.mask = BandTaps(
            widths, size, recipe.taps_hidden, TAPS, identity=TAPS - 1 - self.lookahead
        )
        self.gate = BandGate(widths, size)
        self.presence = PresenceHead(size, recipe.embedding)
        # Kept with the weights; set from the validation list, see `System.calibrate`;
        # 0 is a probability of a half.
        self.register_buffer("threshold", torch.zeros(()))

    def forward(self, mixture: Tensor, enrolment: Tensor) -> Extracted:
        """Extract from `(batch, time)` by enrolments `(batch, enrolled)`.

        Enrolments end with their last sample that is not zero, so that shorter ones can be filled
        up with zeros. Spectra are computed in float32 under mixed precision.
        """
        return self.extract(mixture, self.enrol(enrolment), asked(enrolment))

    def enrol(self, enrolment: Tensor) -> Enrolled:
        """Encode enrolments."""
        with torch.autocast(enrolment.device.type, enabled=False):
            spectrum = self.stft.forward(enrolment.float())
            exists = self._existing(enrolment, spectrum.shape[1])
            power = spectrum.real.square() + spectrum.imag.square()
            energy = power.mean(-1) * exists
            level = energy.sum(1, keepdim=True) / exists.sum(1, keepdim=True)
            level = level.expand_as(energy)
            features = spectrum * compression_gain(power, level, self.exponent)
        return self.encoder(self.split(features), exists)

    def extract(self, mixture: Tensor, enrolled: Enrolled, wanted: Tensor) -> Extracted:
        """Extract whom `enrolled` tells; silence where `wanted` `(batch,)` is False."""
        with torch.autocast(mixture.device.type, enabled=False):
            spectrum = self.stft.forward(mixture.float())
            features = self.features(spectrum)
        x = self.split(features)
        cues = iter(self.cues)
        for path in self.paths.paths:
            if path.axis == "time":
                x = next(cues)(x, enrolled)
            x = path(x)
        taps = self.taps(x)
        frames = self.presence(x).masked_fill(~wanted[:, None], NOBODY)
        with torch.autocast(mixture.device.type, enabled=False):
            made = self.stft.inverse(self.filtered(spectrum, taps), mixture.shape[-1])
            return Extracted(made * wanted[:, None], frames, self.presence.whole(frames))

    def taps(self, x: Tensor) -> Tensor:
        """Gated complex taps `(batch, frames, bins, taps)`."""
        return self.mask(x) * self.gate(x).float().unsqueeze(-1)

    @torch.no_grad()
    def amplify(self, gain: float) -> None:
        """Scale all outputs from now on: taps are linear in the last layer of the mask."""
        self.mask.outer.mul_(gain)
        self.mask.outer_bias.mul_(gain)

    def filtered(self, spectrum: Tensor, taps: Tensor) -> Tensor:
        """Apply the taps to the mixture."""
        return filter_taps(spectrum, taps, self.lookahead)

    def _existing(self, enrolment: Tensor, frames: int) -> Tensor:
        """Frames up to the last sample that is not zero; the first one in any case."""
        hop, lap = self.stft.hop, self.stft.window // self.stft.hop - 1
        places = torch.arange(1, enrolment.shape[-1] + 1, device=enrolment.device)
        samples = (places * (enrolment != 0)).amax(-1)
        counts = torch.div(samples + hop - 1, hop, rounding_mode="floor") + lap
        return torch.arange(frames, device=enrolment.device) < counts[:, None]


def asked(enrolment: Tensor) -> Tensor:
    """Whether anybody is asked for: an enrolment of zeros names nobody."""
    return enrolment.any(-1)
