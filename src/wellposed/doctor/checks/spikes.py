"""WP311: the training loss jumps beyond what its own past gives.

Threshold: trimmed peaks over threshold of the 1000 values before, in the logarithm of the distance
above their median (`heavytail.reach`, which is exact for tails that fall as a power), at the run's
budget of false alarms over all its rows [V]; it needs 200. Nothing is divided by the loss, so that
losses around 0 are judged alike. A jump or two that come back are worth knowing; at a budget of
0.01 three apart from each other are a WARN: by chance, one log in a million has them.
"""

import math

from wellposed.doctor.judged import Judged
from wellposed.doctor.meaning import Meaning
from wellposed.doctor.run import Run
from wellposed.doctor.series import Series
from wellposed.guard.findings import Finding, Severity, Suspect
from wellposed.guard.heavytail import reach

QUESTION = "does the training loss jump?"
CODES = ("WP311",)
PAST, LEAST = 1000, 200
AGAIN = 20
"""Rows after which the threshold is computed again, and jumps nearer than that are one."""


def judge(run: Run) -> Judged:
    """Find the jumps of the fullest training loss."""
    losses = [each.finite for each in run.of(Meaning.LOSS)]
    if not losses or len(losses[0]) < LEAST:
        count = len(losses[0]) if losses else 0
        return Judged(missing=f"{LEAST} values of the training loss, there are {count}")
    jumps = _jumps(losses[0], run.plan.false_alarms)
    return Judged((_finding(run, losses[0], jumps),) if jumps else ())


def _jumps(loss: Series, budget: float) -> list[tuple[int, float]]:
    """Index and threshold of the first value of each jump."""
    found, last, limit = [], -AGAIN, math.inf
    for index in range(LEAST, len(loss)):
        if (index - LEAST) % AGAIN == 0:
            limit = reach(loss.y[max(0, index - PAST) : index], budget, len(loss))
        if loss.y[index] > limit:
            if index - last >= AGAIN:
                found.append((index, limit))
            last = index
    return found


def _finding(run: Run, loss: Series, jumps: list[tuple[int, float]]) -> Finding:
    highest, limit = max(jumps, key=lambda each: loss.y[each[0]] - each[1])
    before = sorted(loss.y[max(0, highest - PAST) : highest])
    often = len(jumps) >= 3
    return Finding(
        "WP311",
        f"{loss.name} jumps {len(jumps)} times, up to {loss.y[highest]:.4g} at {run.axis} "
        f"{loss.x[highest]:.10g} (limit {limit:.4g})",
        Severity.WARN if often else Severity.INFO,
        int(loss.x[jumps[-1][0]]),
        int(loss.x[jumps[0][0]]),
        {
            "subject": loss.name,
            "jumps": len(jumps),
            "highest": loss.y[highest],
            "limit": limit,
            "median_before": before[len(before) // 2],
            "at": ", ".join(f"{loss.x[index]:.10g}" for index, _ in jumps[:10]),
            "values": len(loss),
        },
        (
            Suspect("one item outweighs its batch", "log the loss of each item at these steps"),
            Suspect("silent or damaged targets", "wellposed data check DIR"),
            Suspect("the state, not the batch", "replay the batch on an earlier checkpoint"),
        ),
        "look at the items of these steps before lowering the rate or clipping harder",
    )
