"""Encoder and decoder of the codec: levels of residual units between strides, and bands beside."""

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn

from wellposed.nn.causal import CausalConv, CausalUpsample, ResidualUnit, Snake, Tape
from wellposed.systems.codec.bands import BandLevels, BandTextures

SPEECH = 0.1
"""Level at which an untrained decoder begins: -20 dBFS, a usual one of speech."""


class Levels(NamedTuple):
    """What an encoder is built of, and a decoder in reverse."""

    channels: tuple[int, ...]
    """Before the first stride, and after each."""
    strides: tuple[int, ...]
    dilations: tuple[int, ...]
    """Of the residual units of every level."""
    latent: int
    """Numbers per frame that are quantized, but those of bands."""
    edges: tuple[int, ...]
    """Where bands begin and end whose levels are latents besides."""

    @property
    def hop(self) -> int:
        """Samples of a frame."""
        return math.prod(self.strides)

    @property
    def bands(self) -> int:
        """Number of bands."""
        return len(self.edges) - 1


class Encoder(nn.Module):
    """Waveform `(batch, 1, frames * hop)` to latents `(batch, latent, frames)`."""

    def __init__(self, plan: Levels) -> None:
        """Make a level of residual units for every stride."""
        super().__init__()
        channels, strides, dilations, latent, edges = plan
        gain = _gain(strides, dilations)
        self.bands = BandLevels(plan.hop, list(edges)) if plan.bands else None
        layers: list[nn.Module] = [CausalConv(1, channels[0], 7)]
        for width, following, stride in zip(channels, channels[1:], strides, strict=False):
            layers += [ResidualUnit(width, dilation, gain=gain) for dilation in dilations]
            layers += [Snake(width), CausalConv(width, following, 2 * stride, stride=stride)]
        layers += [Snake(channels[-1]), CausalConv(channels[-1], latent, 3)]
        self.layers = nn.ModuleList(layers)

    def forward(self, x: Tensor, tape: Tape) -> Tensor:
        """Encode."""
        latent = _through(self.layers, x, tape)
        return latent if self.bands is None else torch.cat([latent, self.bands(x, tape)], 1)


class Decoder(nn.Module):
    """Latents `(batch, latent, frames)` to a waveform `(batch, 1, frames * hop)`, not bounded.

    No layer has a bias: zero latents become exact silence.
    """

    def __init__(self, plan: Levels) -> None:
        """Make the levels of the encoder in reverse."""
        super().__init__()
        channels, strides, dilations, latent, _ = plan
        gain, latent = _gain(strides, dilations), latent + plan.bands
        self.bands = BandTextures(plan.hop, plan.bands) if plan.bands else None
        layers: list[nn.Module] = [CausalConv(latent, channels[-1], 3, bias=False)]
        steps = zip(channels[::-1], channels[-2::-1], strides[::-1], strict=False)
        for width, following, stride in steps:
            layers += [Snake(width), CausalUpsample(width, following, stride, bias=False)]
            layers += [
                ResidualUnit(following, dilation, bias=False, gain=gain) for dilation in dilations
            ]
        self.joined = len(layers) - len(dilations)
        layers += [Snake(channels[0]), CausalConv(channels[0], 1, 7, bias=False, gain=SPEECH)]
        self.layers = nn.ModuleList(layers)

    def forward(self, x: Tensor, tape: Tape, beside: Tensor | None = None) -> Tensor:
        """Decode; a sound `beside` of the output's shape joins the first channel of the last level.

        The units of that level hear it as well.
        """
        if beside is None:
            wave = _through(self.layers, x, tape)
        else:
            made = _through(self.layers[: self.joined], x, tape)
            joined = torch.cat([made[:, :1] + beside, made[:, 1:]], 1)
            wave = _through(self.layers[self.joined :], joined, tape)
        if self.bands is None:
            return wave
        return wave + self.bands(x[:, -self.bands.patterns.direction.shape[1] :], tape)


def _through(layers: nn.ModuleList, x: Tensor, tape: Tape) -> Tensor:
    for layer in layers:
        x = layer(x, tape)
    return x


def _gain(strides: tuple[int, ...], dilations: tuple[int, ...]) -> float:
    """Gain of what a unit adds, so that all units in a row add a hundredth of the power."""
    return 0.1 * (len(strides) * len(dilations)) ** -0.5
