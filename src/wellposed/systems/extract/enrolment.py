"""Enrolments as a user gives them: checked, because a bad one ruins all that follows."""

import numpy as np
from numpy.typing import ArrayLike

from wellposed.data.audio import resample
from wellposed.data.given import checked
from wellposed.data.mixing import SILENCE, Wave
from wellposed.errors import DataError
from wellposed.systems.extract.recipe import LONGEST_ENROLMENT_S, SHORTEST_ENROLMENT_S

FRAME_S = 0.02
CLIPPED = 1e-3
"""Share of samples in runs of three or more at the peak from which an enrolment is refused. Of 250
clean recordings (LibriSpeech, VCTK, ARCTIC and others) none has a single one; when they are clipped
by 3, 6, 9 dB the median is 0.1, 0.9, 3.1 %."""


def prepared(waveform: ArrayLike, rate: int, wanted_rate: int, where: str = "enrolment") -> Wave:
    """Return an enrolment `(time,)` at the network's rate; channels are averaged.

    `where` names it in errors. What is longer than training enrolments are is cut off. Raises
    DataError: silent, too short, clipped, at a lower rate, or no waveform at all.
    """
    samples = checked(np.asarray(waveform), rate)
    if rate < wanted_rate:
        raise DataError(
            f"{where}: recorded at {rate} Hz, the weights work at {wanted_rate} Hz: nothing above "
            f"{rate / 2000:g} kHz would be known of the voice. Give an enrolment at {wanted_rate} "
            f"Hz or more, or weights for {rate} Hz"
        )
    if clipped_share(samples) > CLIPPED:
        raise DataError(
            f"{where}: clipped: {clipped_share(samples):.1%} of the samples lie in runs at the "
            f"peak (at most {CLIPPED:.1%}). Give a recording at a lower level"
        )
    seconds = samples.shape[1] / rate
    if seconds < SHORTEST_ENROLMENT_S:
        raise DataError(
            f"{where}: {seconds:.2f} s long; at least {SHORTEST_ENROLMENT_S:g} s are wanted, a few "
            "seconds are better"
        )
    wave = samples.mean(0, dtype=np.float32)
    heard = sounding_seconds(wave, rate)
    if heard < SHORTEST_ENROLMENT_S:
        what = "silent" if heard == 0 else f"silent but for {heard:.2f} s"
        raise DataError(
            f"{where}: {what}; at least {SHORTEST_ENROLMENT_S:g} s of speech are wanted. Was "
            "the microphone on?"
        )
    made = resample(wave, rate, wanted_rate)
    return made[: round(LONGEST_ENROLMENT_S * wanted_rate)].astype(np.float32)


def clipped_share(samples: Wave) -> float:
    """Share of the samples `(channels, time)` in runs of three or more at the channel's peak."""
    peak = np.abs(samples).max(1, keepdims=True)
    top = (np.abs(samples) >= peak * (1 - 1e-4)) & (peak > 0)
    run = top[:, :-2] & top[:, 1:-1] & top[:, 2:]
    hit = np.zeros(samples.shape, bool)
    for shift in range(3):
        hit[:, shift : shift + run.shape[1]] |= run
    # A constant is no clipped speech but silence, and is told as such.
    return float(hit[np.ptp(samples, axis=1) > 0].mean()) if np.ptp(samples) > 0 else 0.0


def sounding_seconds(wave: Wave, rate: int) -> float:
    """Duration of the frames of 20 ms that are louder than silence, an offset taken away."""
    size = max(1, round(FRAME_S * rate))
    whole = len(wave) // size * size
    frames = wave[:whole].reshape(-1, size).astype(np.float64)
    return float((frames.var(1) >= SILENCE).sum() * size / rate)
