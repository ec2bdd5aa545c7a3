"""Scenes before a reconfigurable surface: as of an array, with a channel and codes of their own."""

from dataclasses import dataclass, field
from typing import Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor

from wellposed.data.wavefields import (
    Interval,
    Population,
    Sources,
    Split,
    digest,
    draw_sources,
    keyed,
    uniform,
    white,
)
from wellposed.dsp.arrays.geometry import line, plane
from wellposed.dsp.arrays.sensors import Array
from wellposed.dsp.arrays.snapshots import correlated, noise_power
from wellposed.dsp.arrays.wavefront import Model, Places
from wellposed.dsp.surface import (
    beam_phases,
    before_chains,
    direct_path,
    measured,
    misjudged,
    phase_codes,
    rician,
)

Codebook = Literal["staggered", "columns"]
"""Of the reference surface; see `Surface.reference`."""


@dataclass(frozen=True)
class Surface:
    """A surface, the receiver behind it, and its codes, the same in every scene."""

    elements: Array
    receiver: Array
    codes: Tensor
    """`(measurements, elements)`"""
    rician_factor: Interval = (0.5, 10.0)
    """power of the direct path over that of the scattered ones"""

    @classmethod
    def reference(
        cls,
        model: Model = "exact",
        codes: Codebook = "staggered",
        rician_factor: Interval = (0.5, 10.0),
    ) -> "Surface":
        """12 x 12 elements and 16 chains at 1 GHz, half a wavelength of 0.3 m apart, 3-bit codes.

        staggered: of the 8 x 8 beams of a DFT two of each row, staggered: 16 measurements. Stacked
        they have the condition of random codes, 6 to 7; two whole columns of beams have 11 to 13
        (Rayleigh channels). columns: of the 12 x 12 beams, a twelfth of a turn from element to
        element, every fourth of the lower 8 x 8, phases counted from the middle: two columns.
        """
        elements = Array(plane(12, 12, 0.15), 0.3, model)
        if codes == "staggered":
            row = torch.arange(8).repeat_interleave(2)
            beam = 8 * row + row % 4 + torch.tensor([0, 4]).repeat(8)
            phases = beam_phases(12, 12, 8, 8)[beam]
        else:
            beam = 12 * torch.arange(8).repeat_interleave(2) + torch.tensor([0, 4]).repeat(8)
            phases = beam_phases(12, 12, 12, 12)[beam]
            phases = phases - phases.mean(-1, keepdim=True)
        chains = Array(line(16, 0.15), 0.3, "far")
        return cls(elements, chains, phase_codes(phases, bits=3), rician_factor)


class SurfaceScene(NamedTuple):
    """What is heard, what is known, and the truth; float64 and complex128."""

    heard: Tensor
    """`(measurements, chains)`"""
    known_channel: Tensor
    """`(chains, elements)` H as it is known"""
    channel: Tensor
    """H as it was"""
    sources: Sources
    symbols: Tensor
    """`(sources,)`, or `(measurements, sources)` where they change"""
    noise: Tensor
    """() noise power of one chain"""

    def digest(self) -> str:
        """Hash of what is heard."""
        return digest(self.heard)


@dataclass(frozen=True)
class SurfaceScenes:
    """Scenes before one surface; the ratio is that of mean received power to noise."""

    surface: Surface
    population: Population = field(default_factory=Population)
    changing: bool = False
    """whether every measurement has symbols of its own"""
    channel_error_db: Interval | None = None
    """power of the error of the known channel, relative to the channel's; none: it is exact"""
    seed: int = 0

    def __post_init__(self):
        """Refuse a reference that a surface does not have."""
        if self.population.reference != "received":
            raise ValueError(
                "before a surface the power of a source is not what arrives: "
                "set Population.reference to 'received'"
            )

    def scene(self, split: Split, index: int) -> SurfaceScene:
        """Draw scene `index` of a split."""
        rng = keyed(self.seed, split, index)
        sources = draw_sources(rng, self.population)
        channel = self._channel(rng)
        surface = self.surface
        count = len(surface.codes) if self.changing else 1
        symbols = correlated(
            white(rng, len(sources.powers), count),
            white(rng, 1, count),
            sources.powers,
            *sources[2:],
        ).mT
        waves = symbols @ surface.elements.response(sources.places).mT
        clean = measured(channel, surface.codes, waves if self.changing else waves[0])
        noise = noise_power(clean.abs().square().mean(), uniform(rng, self.population.snr_db))
        heard = clean + noise.sqrt() * white(rng, *clean.shape)
        known = channel
        if self.channel_error_db is not None:
            error = uniform(rng, self.channel_error_db)
            known = misjudged(channel, white(rng, *channel.shape), error)
        kept = symbols if self.changing else symbols[0]
        return SurfaceScene(heard, known, channel, sources, kept, noise)

    def array(self, channel: Tensor) -> Array:
        """The surface as an array, for scenes whose symbols stay."""
        return before_chains(self.surface.elements, channel, self.surface.codes)

    def _channel(self, rng: np.random.Generator) -> Tensor:
        surface = self.surface
        elements, chains = surface.elements.outputs, surface.receiver.outputs
        angles = torch.from_numpy(rng.uniform(-1, 1, 3)) * torch.pi / 3
        arriving = Places.of(angles[:1])
        leaving = Places.of(angles[1:2], angles[2:] / 2)
        direct = direct_path(
            surface.receiver.response(arriving)[:, 0],
            surface.elements.at("far").response(leaving)[:, 0],
        )
        factor = uniform(rng, surface.rician_factor)
        return rician(direct, white(rng, chains, elements), factor)
