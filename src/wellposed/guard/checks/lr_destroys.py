"""WP117: a step is longer than the weight that it moves.

Signal: norm(dw)/norm(w) of the median weight tensor in one step; tensors that are exactly 0 have
no length and are left out. Threshold R: 1, the weight's own length: what was there before the step
is then the smaller part of what is there after it.

One such step is no fault by itself: the first step of Adagrad, RMSprop and of Adam at a high rate
is that long, and the loss is back soon. Measured on 529 healthy runs of 13 programs: 21 had one
such look, none had two, and the loss was back after 12 steps at most. So FAIL where it happened at
two looks (the step after such a look is looked at, too) and no loss came down to what it was
before in 8 steps; WARN where it happened once and none did in 32.
"""

from ..evidence import Evidence
from ..findings import Finding, Severity, Suspect

CODES = ("WP117",)
READS = "motion"
TWICE = 2
SOON, LATE = 8, 32
"""Steps in which the loss may come back, after two such looks and after one."""


def check(evidence: Evidence) -> list[Finding]:
    """Look at the optimizers of the last look."""
    records = evidence.of("motion")
    found = []
    for name, latest in records[-1].table.items():
        looks = [(r.step, r.table[name]) for r in records if name in r.table]
        long = [(step, each["step"]) for step, each in looks if each.get("step", 0.0) > 1]
        if long:
            wanted = SOON if len(long) >= TWICE else LATE
            rows = _worse(evidence, long[0][0])
            if rows >= wanted:
                found.append(_finding(name, looks[-1][0], long, latest["lr"], rows))
    return found


def _worse(evidence: Evidence, step: int) -> int:
    """Rows since a step if the loss of each is above all before, else 0."""
    # Rows of one player only: those with the terms of the latest row.
    terms = evidence.rows[-1].values.keys() if evidence.rows else ()
    rows = [row for row in evidence.rows if row.values.keys() == terms]
    before = [row.loss for row in rows if row.step <= step]
    after = [row.loss for row in rows if row.step > step]
    # NaN is not below anything.
    is_worse = before and after and not any(loss <= max(before) for loss in after)
    return len(after) if is_worse else 0


def _finding(
    name: str, step: int, long: list[tuple[int, float]], rate: float, rows: int
) -> Finding:
    first, _ = long[0]
    most = max(size for _, size in long)
    return Finding(
        code="WP117",
        title=f"a step is {most:.2g} times as long as the median weight that it moves",
        severity=Severity.FAIL if len(long) >= TWICE else Severity.WARN,
        step=step,
        since_step=first,
        evidence={
            "subject": name,
            "longest_relative_step": most,
            "looks_with_such_steps": len(long),
            "lr": rate,
            "steps_since_without_the_loss_of_before": rows,
        },
        suspects=(
            Suspect("the learning rate", "a tenth of it from the same start: the loss falls"),
            Suspect("the start", "the usual scale of initial weights: the same step is short"),
        ),
        advice="a learning rate lower by the longest relative step, or warm-up",
    )
