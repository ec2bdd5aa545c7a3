"""Sound for the tests of files and corpora: seeded, with the flux of speech."""

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

Voice = Callable[..., NDArray[np.float32]]


@pytest.fixture(scope="session")
def voice() -> Voice:
    """`voice(seed, seconds, rate=16_000)`: (1, time), 24 partials with their own slow envelopes."""

    def make(seed: int, seconds: float, rate: int = 16_000) -> NDArray[np.float32]:
        rng = np.random.default_rng(seed)
        time = np.arange(round(seconds * rate)) / rate
        knots = np.arange(0, seconds + 0.2, 0.12)
        total = np.zeros(len(time))
        for frequency in rng.uniform(250, 2_500, 24):
            envelope = np.interp(time, knots, rng.exponential(1.0, len(knots)) ** 2)
            total += envelope * np.sin(2 * np.pi * frequency * time + rng.uniform(0, 2 * np.pi))
        return (0.5 * total / np.abs(total).max()).astype(np.float32)[None]

    return make
