"""The sounds that a loss is asked about: speech-like references, noise, and damaged estimates.

Everything is made by torch from a seed, so that the guard needs no data; real speech can be given
instead. Levels are those of the references: an estimate "at 20 dB" is the reference with white
noise of a hundredth of its power.
"""

import math
from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor

RATE = 16000
"""Sample rate of the synthetic probes [Hz]."""

SAMPLES = 9600
"""Length of a probe: 0.6 s, three or four syllables with their pauses. The dearest losses, spectra
at several resolutions, are then asked everything in 3 seconds of one core."""

LEVEL = 0.1
"""Root mean square of a synthetic reference: -20 dB re full scale, as recorded speech."""

ITEMS = 4
"""References in a batch: enough that one of them can outweigh the others."""


@dataclass(frozen=True)
class Probes:
    """References `(batch, time)`, other sounds of the same kind, and how they were drawn."""

    reference: Tensor
    unrelated: Tensor
    rate: int = RATE
    seed: int = 0
    source: str = "synthetic speech"

    @classmethod
    def synthetic(cls, seed: int = 0, level: float = LEVEL, items: int = ITEMS) -> "Probes":
        """Speech-like sound with silent pauses, `SAMPLES` an item, at RMS `level`."""
        voices = speech_like(2 * items, SAMPLES, _generator(seed, 0))
        voices = level * voices / rms(voices)
        return cls(voices[:items], voices[items:], RATE, seed)

    @classmethod
    def given(
        cls, reference: Tensor, seed: int = 0, rate: int = RATE, source: str = "given sounds"
    ) -> "Probes":
        """Use real sounds `(batch, time)`, of at least two items.

        Raises ValueError when one is silent, or not finite, or when there is only one.
        """
        if reference.ndim != 2 or len(reference) < 2 or not reference.is_floating_point():
            raise ValueError(
                f"probes have shape {tuple(reference.shape)} and type {reference.dtype}; wanted "
                "are at least two waveforms, real numbers of shape (batch, time)"
            )
        reference = reference.detach().float().cpu()
        if not bool((rms(reference) > 0).all() and reference.isfinite().all()):
            raise ValueError(
                "a probe is silent or not finite: an SNR has no meaning there. Give sounds that "
                "are audible; the audit makes silence itself"
            )
        other = reference.roll(1, 0).flip(-1)
        return cls(reference, other * (rms(reference) / rms(other)), rate, seed, source)

    @property
    def level(self) -> Tensor:
        """Root mean square of every reference, `(batch, 1)`."""
        return rms(self.reference)

    def noise(self, draw: int) -> Tensor:
        """White noise of the references' level, orthogonal to them: SNRs are exact."""
        return _noise(self, draw)

    def noisy(self, snr_db: float, draw: int = 0) -> Tensor:
        """The references in noise."""
        return self.reference + 10 ** (-snr_db / 20) * self.noise(draw)

    def generator(self, draw: int) -> torch.Generator:
        """A generator of this seed for one kind of draw."""
        return _generator(self.seed, draw)

    def __hash__(self) -> int:
        """By identity: tensors have no equality to go with a hash."""
        return id(self)


def rms(signal: Tensor) -> Tensor:
    """Root mean square over time, kept as an axis."""
    return signal.square().mean(-1, keepdim=True).sqrt()


@cache
def _noise(probes: Probes, draw: int) -> Tensor:
    reference = probes.reference
    noise = torch.randn(reference.shape, generator=probes.generator(1000 + draw))
    share = (noise * reference).sum(-1, keepdim=True) / reference.square().sum(-1, keepdim=True)
    noise = noise - share * reference
    return probes.level * noise / rms(noise)


def _generator(seed: int, draw: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed * 1_000_003 + draw)


def speech_like(items: int, samples: int, generator: torch.Generator) -> Tensor:
    """Voiced syllables with moving pitch and formants, bursts of hiss, exactly silent pauses."""
    return torch.stack([_voice(samples, generator) for _ in range(items)])


_VOWELS = ((730, 1090, 2440), (270, 2290, 3010), (300, 870, 2240), (530, 1840, 2480))
"""First three formants [Hz]: Peterson and Barney, 1952, table II, men."""


def _voice(samples: int, generator: torch.Generator) -> Tensor:
    def draw(low: float, high: float) -> float:
        return low + (high - low) * float(torch.rand((), generator=generator))

    wave = torch.zeros(samples)
    pitch_hz, at = draw(90, 220), int(draw(0, 0.1) * RATE)
    while at < samples:
        length = min(int(draw(0.12, 0.28) * RATE), samples - at)
        arch = torch.sin(math.pi * (torch.arange(length) + 0.5) / length).sqrt()
        if draw(0, 1) < 0.3:
            hiss = torch.randn(length + 1, generator=generator).diff()
            wave[at : at + length] = draw(0.05, 0.2) * arch * hiss
        else:
            vowel = _VOWELS[int(draw(0, len(_VOWELS)))]
            tone = _vowel(length, pitch_hz * draw(0.85, 1.2), draw(-0.2, 0.2), vowel)
            wave[at : at + length] = draw(0.4, 1.0) * arch * tone
        at += length + int(draw(0.02, 0.12) * RATE)
    return wave


def _vowel(samples: int, pitch_hz: float, glide: float, formants: tuple[int, ...]) -> Tensor:
    """Harmonics of a gliding pitch, each as loud as the formants are at its frequency."""
    time = torch.arange(samples) / RATE
    slope = glide * pitch_hz / (samples / RATE)
    phase = 2 * math.pi * (pitch_hz * time + slope * time.square() / 2)
    count = int(0.45 * RATE / (pitch_hz * (1 + abs(glide))))
    number = torch.arange(1, count + 1)
    frequency = number * pitch_hz
    gain = torch.zeros(count)
    for order, formant in enumerate(formants):
        gain += 0.6**order / (1 + ((frequency - formant) / (60 + 40 * order)).square()).sqrt()
    return (gain[:, None] * torch.sin(number[:, None] * phase)).sum(0)
