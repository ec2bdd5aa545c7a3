"""WP110, WP108: the critic's loss is exactly 0, or one number for good.

Source: exactness and rounding [E, U]. A loss of exactly 0 after other values is hardly a perfect
critic: where the critic learns a metric, it is what is written when the metric could not be
computed, and that happens when the output is NaN or silent. Printed with four decimals, 0.0000
may also be anything below 5e-5; the finding says how it was written.
"""

from wellposed.doctor.judged import Judged
from wellposed.doctor.meaning import Meaning
from wellposed.doctor.run import Run
from wellposed.doctor.series import Series
from wellposed.guard.findings import Finding, Severity, Suspect

QUESTION = "is the critic alive?"
CODES = ("WP108", "WP110")
DIGITS, ROWS = 4, 5
"""As in `unmoved`: what it takes to call equal values no chance."""


def judge(run: Run) -> Judged:
    """Look at every loss of a critic."""
    critics = [each.finite for each in run.of(Meaning.CRITIC)]
    found = [each for critic in critics if len(critic) and (each := _look(run, critic))]
    return Judged(tuple(found), "" if critics else "a column of a critic's loss")


def _look(run: Run, critic: Series) -> Finding | None:
    zeros = critic.where([value == 0 for value in critic.y])
    if len(zeros) and len(zeros) < len(critic):
        return _zero(run, critic, zeros)
    fine = run.table.digits.get(critic.name, 17) >= DIGITS
    if len(critic) >= ROWS and len(set(critic.y[-ROWS:])) == 1 and (fine or len(zeros)):
        return _constant(critic)
    return None


def _zero(run: Run, critic: Series, zeros: Series) -> Finding:
    before = critic.where([row < zeros.rows[0] for row in critic.rows]).y
    rounding = run.rounding(critic.name)
    facts: dict[str, float | int | str] = {"subject": critic.name, "zeros": len(zeros)}
    facts |= {"of": len(critic), "first": run.table.where(zeros.rows[0])}
    facts |= {"last_before": before[-1]} if before else {}
    facts |= {"written_as_0_below": rounding} if rounding else {}
    return Finding(
        "WP110",
        f"{critic.name} is exactly 0 in {len(zeros)} of {len(critic)} rows, first at {run.axis} "
        f"{zeros.x[0]:.10g}: a metric that failed more likely than a perfect critic",
        Severity.WARN,
        int(zeros.x[-1]),
        int(zeros.x[0]),
        facts,
        (
            Suspect("the metric it learns", "count the items whose metric could not be computed"),
            Suspect("NaN or silent output", "look at the output's level in the same rows"),
            Suspect("a saturated critic", "log its scores of real and made examples apart"),
        ),
        "write NaN, or a count of failures, where a metric is undefined: 0 looks like success",
    )


def _constant(critic: Series) -> Finding:
    return Finding(
        "WP108",
        f"{critic.name} is exactly {critic.y[-1]:.6g} in its last {ROWS} rows or more",
        Severity.WARN,
        int(critic.x[-1]),
        int(critic.x[-ROWS]),
        {"subject": critic.name, "value": critic.y[-1], "of": len(critic)},
        (
            Suspect("no gradient", "look whether its parameters have one, and move"),
            Suspect("not active yet", "from which step on does the schedule train it?"),
        ),
        "log the critic's scores of real and made examples apart, and their spread",
    )
