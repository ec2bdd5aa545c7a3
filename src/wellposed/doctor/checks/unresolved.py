"""WP404: the validation cannot resolve the differences that choose the best checkpoint.

Signal: the noise of one validation, from second differences along the log (a curve has hardly
any). Two validations of the same weights differ by more than 1.96 sqrt(2) noise once in 20: the
resolution [S]. Threshold: the smallest gain that was said to count [P]; without one, and for scores
with a reference point, all that the run has to show: what it gained over this log, or how far its
best is from silence or the untreated input [R]; of a log that gained nothing, no two neighbours
may differ by more than that either. Where the gain is not more than the best of n
equal checkpoints has by luck, that is worth knowing.
"""

import math
import statistics
from itertools import pairwise

from wellposed.doctor.judged import Judged
from wellposed.doctor.meaning import Meaning
from wellposed.doctor.run import Run
from wellposed.doctor.series import Series
from wellposed.doctor.trends import neumann, noise
from wellposed.guard.chance import expected_best
from wellposed.guard.findings import Finding, Severity, Suspect

QUESTION = "can the validation tell one checkpoint from another?"
CODES = ("WP404",)
ENOUGH = 8
"""Validations below which the noise is not judged: its estimate is off by half, at 8."""
_ZERO = (Meaning.SNR, Meaning.SI_SDR, Meaning.GAIN)
"""Scores whose trivial value is 0."""


def judge(run: Run) -> Judged:
    """Compare the resolution with what it had to resolve."""
    metric = run.selecting
    if metric is None:
        return Judged(missing="a validation metric that chooses the best checkpoint")
    if len(metric) < ENOUGH:
        return Judged(missing=f"{ENOUGH} validations of {metric.name}, there are {len(metric)}")
    spread = noise(metric.y)
    seen = 1.96 * math.sqrt(2) * spread
    gained, worth = _gained(metric, spread), _worth(metric, spread)
    luck = expected_best(len(metric)) * spread
    if run.minimum is not None and seen > run.minimum:
        what = f"a difference of {metric.said(run.minimum)} was to be told"
        return Judged((_finding(run, metric, seen, Severity.WARN, what),))
    swing = max(abs(b - a) for a, b in pairwise(metric.y))
    if (
        run.minimum is None
        and worth is not None
        and (seen > worth or (not gained and swing > worth))
    ):
        what = f"it swings by {metric.said(swing)}, and all there is to see is {metric.said(worth)}"
        return Judged((_finding(run, metric, seen, Severity.WARN, what),))
    ahead = max(value * metric.better for value in metric.y) - statistics.median(
        value * metric.better for value in metric.y
    )
    if not gained and 0 < ahead <= luck:
        what = f"the best of {len(metric)} equal checkpoints leads by {metric.said(luck)} by luck"
        return Judged((_finding(run, metric, seen, Severity.INFO, what),))
    return Judged()


def _gained(metric: Series, spread: float) -> float:
    """What the last third has over the first, where that is more than noise; else 0."""
    third = len(metric) // 3
    gain = statistics.median(metric.y[-third:]) - statistics.median(metric.y[:third])
    # A median of n normal values has 1.2533 times the error of their mean.
    error = 1.2533 * spread * math.sqrt(2 / third)
    return abs(gain) if abs(gain) > 2 * error else 0.0


def _worth(metric: Series, spread: float) -> float | None:
    gained = _gained(metric, spread)
    if metric.meaning not in _ZERO:
        # Without a reference point, a log with little gain may just be the end of a good run.
        return None
    return max(gained, abs(max(metric.y)))


def _finding(run: Run, metric: Series, seen: float, severity: Severity, what: str) -> Finding:
    steps = [abs(b - a) for a, b in pairwise(metric.y)]
    largest = steps.index(max(steps))
    return Finding(
        "WP404",
        f"two values of {metric.name} must differ by {metric.said(seen)} to mean anything; {what}",
        severity,
        int(metric.x[-1]),
        int(metric.x[0]),
        {
            "subject": metric.name,
            "noise_of_one_validation": seen / (1.96 * math.sqrt(2)),
            "resolution": seen,
            "largest_swing": steps[largest],
            f"largest_swing_at_{run.axis}": int(metric.x[largest + 1]),
            "von_neumann_ratio": neumann(metric.y),
            "best_by_luck": expected_best(len(metric)) * seen / (1.96 * math.sqrt(2)),
            "validations": len(metric),
        },
        (
            Suspect("too few items", "score one checkpoint on four times as many items"),
            Suspect("fresh items each time", "score one checkpoint twice: the same number?"),
        ),
        "freeze the list of items and compare checkpoints item by item; count no gain below the "
        "resolution, neither as the best nor against patience",
    )
