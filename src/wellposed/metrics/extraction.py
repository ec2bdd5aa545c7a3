"""Scores of an extracted voice `(time,)` that two signals do not tell, in float64.

Definitions: docs/metrics.md.
"""

from collections.abc import Sequence

import numpy as np

from wellposed.metrics.score import Score, Signal, undefined
from wellposed.metrics.speech import si_sdr_db

DEEPEST_DB = 100.0
"""Silence counts as so much attenuation: beyond it nothing is left in 16 bits."""
FRAME_S = 0.02
ACTIVE = 1e-3
"""Active frames lie within 30 dB of the loudest."""
SUPPRESSED = 0.1
"""A frame with less than this share of its power is over-suppressed: a tenth, 10 dB."""


def absent_attenuation_db(estimate: Signal, mixture: Signal) -> Score:
    """How far below the mixture the estimate is [dB], where nothing was wanted of it."""
    energy = float(np.square(mixture, dtype=np.float64).sum())
    if energy == 0.0:
        return undefined("the mixture is silent")
    left = float(np.square(estimate, dtype=np.float64).sum()) / energy
    return Score(float(-10 * np.log10(left + 10 ** (-DEEPEST_DB / 10))))


def over_suppression(estimate: Signal, reference: Signal, rate: int) -> Score:
    """Share of the active frames of the reference that have less than a tenth of its power."""
    size = max(1, round(FRAME_S * rate))
    wanted, found = (_frame_powers(each, size) for each in (reference, estimate))
    if not wanted.size or wanted.max() == 0.0:
        return undefined("the reference is silent")
    active = wanted >= ACTIVE * wanted.max()
    return Score(float(np.mean(found[active] < SUPPRESSED * wanted[active])))


def confusion(estimate: Signal, reference: Signal, others: Sequence[Signal]) -> Score:
    """1 if the estimate is nearer to one of the others than to the reference, by SI-SDR; else 0.

    An estimate that has nothing of a signal is infinitely far from it.
    """
    heard = [other for other in others if other.any()]
    if not heard:
        return undefined("nobody else speaks")
    if not estimate.any():
        return undefined("the estimate is silent")
    own = _nearness(estimate, reference)
    return Score(float(any(_nearness(estimate, other) > own for other in heard)))


def equal_error(present: Sequence[float], absent: Sequence[float]) -> tuple[float, float]:
    """Equal error rate of scores that shall be high with the target, and its threshold.

    A scene is called present at the threshold and above. Of the thresholds half way between
    neighbouring scores the one where both rates differ least; of equal ones the middle one. Raises
    ValueError without scores of both kinds.
    """
    if not len(present) or not len(absent):
        raise ValueError(f"{len(present)} scores with, {len(absent)} without: wanted some of both")
    with_target, without = np.sort(np.asarray(present)), np.sort(np.asarray(absent))
    scores = np.unique(np.concatenate((with_target, without)))
    edges = np.concatenate(([scores[0] - 1], (scores[1:] + scores[:-1]) / 2, [scores[-1] + 1]))
    misses = np.searchsorted(with_target, edges, "left") / len(with_target)
    alarms = 1 - np.searchsorted(without, edges, "left") / len(without)
    gap = np.abs(misses - alarms)
    best = np.flatnonzero(gap == gap.min())
    chosen = best[len(best) // 2]
    return float((misses[chosen] + alarms[chosen]) / 2), float(edges[chosen])


def _nearness(estimate: Signal, reference: Signal) -> float:
    score = si_sdr_db(estimate, reference)
    if score.value is not None:
        return score.value
    return np.inf if "copy" in score.reason else -np.inf


def _frame_powers(signal: Signal, size: int) -> Signal:
    whole = len(signal) // size * size
    return np.square(signal[:whole], dtype=np.float64).reshape(-1, size).mean(1)
