"""Who speaks, and in which recordings: what a scene needs that must tell speakers apart."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from wellposed.data.mixing import Wave


@dataclass(frozen=True)
class Recording:
    """One recording of one speaker."""

    speaker: str
    key: str
    """Names the recording among all recordings of its source."""
    seconds: float


@dataclass(frozen=True)
class Speaker:
    """A person, or a synthetic voice."""

    name: str
    gender: str
    """"f", "m", or "" where nobody said."""
    recordings: tuple[Recording, ...]


class Voices(Protocol):
    """Sounds whose speakers can be told apart, at one sample rate."""

    rate: int
    digest: str

    def speakers(self, split: str) -> tuple[Speaker, ...]:
        """Everyone in a split, always in the same order."""
        ...

    def recorded(self, recording: Recording) -> Wave:
        """Give the whole of a recording; not to be written to."""
        ...

    def clean(self, recording: Recording) -> bool:
        """Whether its pauses are quiet enough for a target."""
        ...

    def noise_wave(self, split: str, samples: int, rng: np.random.Generator) -> Wave:
        """Draw a piece of noise."""
        ...
