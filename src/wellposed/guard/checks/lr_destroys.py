"""WP117: a step is longer than the weight that it moves.

Signal: norm(dw)/norm(w) of the median weight tensor in one step; tensors that are exactly 0 have
no length and are left out. Threshold R: 1, the weight's own length: what was there before the step
is then the smaller part of what is there after it.

One such step is no fault by itself: the first step of Adagrad, RMSprop and of Adam at a high rate
is that long, and the loss is back soon. Measured on 529 healthy runs of 13 programs: 21 had one
such look, none had two, and the loss was back after 12 steps at most. So FAIL where it happened at
two looks (the step after such a look is looked at, too) and no loss came down to what it was
before in 8 steps; WARN where it happened once and none did in 32. A loss that is not finite before
either is over cannot come back: FAIL at once, beside what the guard says of the number itself.
"""

import math
from collections.abc import Mapping

from ..evidence import Evidence
from ..findings import Finding, Severity, Suspect

CODES = ("WP117",)
READS = "rows"
TWICE = 2
SOON, LATE = 8, 32
"""Steps in which the loss may come back, after two such looks and after one."""


def check(evidence: Evidence) -> list[Finding]:
    """Look at the optimizers of the last look."""
    records = evidence.of("motion")
    if not records:
        return []
    found = []
    for name in records[-1].table:
        looks = [(r.step, r.table[name]) for r in records if name in r.table]
        long = _long(looks)
        if long:
            rows, lost = _worse(evidence, long[0][0])
            grave = len(long) >= TWICE or lost
            if lost or rows >= (SOON if grave else LATE):
                severity = Severity.FAIL if grave else Severity.WARN
                found.append(_finding(evidence.step, severity, name, looks, rows))
    return found


def _long(looks: list[tuple[int, Mapping[str, float]]]) -> list[tuple[int, float]]:
    """Steps longer than the weights, and how long."""
    return [(step, each["step"]) for step, each in looks if each.get("step", 0.0) > 1]


def _worse(evidence: Evidence, step: int) -> tuple[int, bool]:
    """Rows since a step if the loss of each is above all before, else 0; whether it is lost."""
    # Rows of one player only: those with the terms of the latest row.
    terms = evidence.rows[-1].values.keys() if evidence.rows else ()
    rows = [row for row in evidence.rows if row.values.keys() == terms]
    before = [row.loss for row in rows if row.step <= step]
    after = [row.loss for row in rows if row.step > step]
    # NaN is not below anything.
    is_worse = before and after and not any(loss <= max(before) for loss in after)
    if not is_worse:
        return 0, False
    return len(after), not all(map(math.isfinite, after[:LATE]))


def _finding(
    step: int,
    severity: Severity,
    name: str,
    looks: list[tuple[int, Mapping[str, float]]],
    rows: int,
) -> Finding:
    long = _long(looks)
    first, _ = long[0]
    most = max(size for _, size in long)
    return Finding(
        code="WP117",
        title=f"a step is {most:.2g} times as long as the median weight that it moves",
        severity=severity,
        step=step,
        since_step=first,
        evidence={
            "subject": name,
            "longest_relative_step": most,
            "looks_with_such_steps": len(long),
            "lr": looks[-1][1]["lr"],
            "steps_since_without_the_loss_of_before": rows,
        },
        suspects=(
            Suspect("the learning rate", "a tenth of it from the same start: the loss falls"),
            Suspect("the start", "the usual scale of initial weights: the same step is short"),
        ),
        advice="a learning rate lower by the longest relative step, or warm-up",
    )
