"""Room responses: measured ones of a corpus, or synthetic ones from a generator.

A response is normalised so that its direct sound has gain one and stands at sample zero: the
room adds reverberation, but neither a delay nor a change of the direct level.
"""

import numpy as np
import scipy.signal

from wellposed.data.mixing import Wave

DECAY_S = (0.15, 0.7)
"""Reverberation times of synthetic rooms [s]."""


def synthetic_response(rate: int, rng: np.random.Generator, decay_s: float | None = None) -> Wave:
    """Direct sound, a few early reflections, and an exponentially decaying Gaussian tail.

    `decay_s` is the reverberation time [s], for several places in one room; drawn if not given.

    Reverberation time 0.15 to 0.7 s and direct-to-reverberant ratio 0 to 12 dB: small rooms
    to lecture rooms, the span of the ACE challenge (Eaton et al., 2016, 0.3 to 1.3 s) and below.
    """
    decay_s = rng.uniform(*DECAY_S) if decay_s is None else decay_s
    ratio_db = rng.uniform(0.0, 12.0)
    length = int(rate * decay_s)
    time = np.arange(length) / rate
    # A decay of 60 dB in decay_s: amplitude exp(-6.9 t / decay_s), as 10 ** (-60 / 20) = e**-6.9.
    tail = rng.standard_normal(length) * np.exp(-6.9 * time / decay_s)
    start = max(1, int(rate * rng.uniform(0.001, 0.005)))
    tail[:start] = 0.0
    early = rng.integers(start, max(start + 1, int(0.05 * rate)), size=6)
    tail[np.minimum(early, length - 1)] += rng.normal(0, 3.0, 6)
    tail *= np.sqrt(10 ** (-ratio_db / 10) / (np.sum(tail**2) + 1e-12))
    tail[0] = 1.0
    return tail.astype(np.float32)


def aligned_response(response: Wave) -> Wave:
    """Cut a measured response so that its strongest sample comes first with gain one."""
    peak = int(np.argmax(np.abs(response)))
    return response[peak:] / response[peak]


def reverberate(wave: Wave, response: Wave) -> Wave:
    """Convolve and keep the length of `wave`."""
    return scipy.signal.oaconvolve(wave, response)[: len(wave)].astype(np.float32)
