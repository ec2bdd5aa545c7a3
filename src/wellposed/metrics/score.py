"""One score: a finite number, or the reason why there is none.

Promise: silence, non-finite samples and signals that a formula cannot judge never become a
number. The reason is a fixed sentence, so that equal failures can be counted.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Signal = NDArray[np.floating]
"""(time,)"""


@dataclass(frozen=True)
class Score:
    """`value` is finite; or None, and then `reason` says why."""

    value: float | None
    reason: str = ""

    def __post_init__(self) -> None:
        """Hold the promise of the class."""
        assert (self.value is None) == bool(self.reason), "either a value or a reason"
        assert self.value is None or np.isfinite(self.value), f"{self.value} is not a score"


def undefined(reason: str) -> Score:
    """Make a score without a value."""
    return Score(None, reason)


def mean_score(scores: Sequence[Score]) -> Score:
    """Mean over the channels of one file; undefined as soon as one channel is."""
    values = []
    for score in scores:
        if score.value is None:
            return score
        values.append(score.value)
    return Score(float(np.mean(values)))


def flaw(estimate: Signal, reference: Signal) -> str:
    """Say why no metric can compare the two, "" when all is well.

    A signal whose samples are all equal carries no sound and counts as silent. It has no
    score: an SNR of 0 dB or a STOI of 0 for silence would beat an honest attempt at a hard
    scene.
    """
    assert estimate.ndim == 1, f"(time,) is wanted, the estimate is {estimate.shape}"
    assert estimate.shape == reference.shape, f"{estimate.shape} against {reference.shape}"
    if not estimate.size:
        return "no samples"
    for name, signal in (("reference", reference), ("estimate", estimate)):
        if not np.isfinite(signal).all():
            return f"the {name} has NaN or infinite samples"
        if signal.min() == signal.max():
            return f"the {name} is silent"
    return ""
