"""WP104, WP114: the learning rate is zero; the training loss is the same in row after row.

Source: exactness [E], where the log is written finely enough to show it: with four decimals a
rate of 3e-5 is written as 0.0000, so a zero counts only in a column that can show a thousandth of
its largest value; a loss counts as the same only with four digits or more.
"""

from itertools import groupby

from wellposed.doctor.judged import Judged
from wellposed.doctor.meaning import Meaning
from wellposed.doctor.run import Run, Series
from wellposed.guard.findings import Finding, Severity, Suspect

QUESTION = "does anything move?"
CODES = ("WP104", "WP114")
DIGITS = 4
ROWS = 5
"""Equal values in a row: with four digits and noise in the last two, 1 in 10^8 by chance."""


def judge(run: Run) -> Judged:
    """Look at the rate, then at the loss."""
    rates = [each.finite for each in run.of(Meaning.RATE)]
    losses = [each.finite for each in run.of(Meaning.LOSS)]
    found = [each for rate in rates[:1] if (each := _rate(run, rate))]
    found += [each for loss in losses[:1] if (each := _loss(run, loss))]
    return Judged(tuple(found), "" if rates or losses else "the learning rate or training loss")


def _rate(run: Run, rate: Series) -> Finding | None:
    """A rate of zero in several rows; the first row and the last are a schedule's business."""
    largest = max(map(abs, rate.y), default=0.0)
    inner = rate.where([0 < index < len(rate) - 1 for index in range(len(rate))])
    zeros = inner.where([value == 0 for value in inner.y])
    # Where a thousandth of the largest rate would be written as 0, a schedule may be at its end.
    coarse = run.rounding(rate.name) > largest / 1000
    if len(zeros) < 2 or (coarse and largest > 0):
        return None
    return Finding(
        "WP104",
        f"{rate.name} is exactly 0 in {len(zeros)} of {len(rate)} rows",
        Severity.WARN if largest else Severity.FAIL,
        int(zeros.x[-1]),
        int(zeros.x[0]),
        {"subject": rate.name, "rows": len(zeros), "largest": largest},
        (Suspect("the schedule", "print it for every step of the plan, before the run"),),
        "count the schedule in the unit of its calls: steps or epochs",
    )


def _loss(run: Run, loss: Series) -> Finding | None:
    if run.table.digits.get(loss.name, 17) < DIGITS or len(loss) < ROWS:
        return None
    runs = [list(group) for _, group in groupby(range(len(loss)), key=lambda i: loss.y[i])]
    last = runs[-1]
    if len(last) < ROWS or loss.y[last[0]] == 0:
        return None
    everywhere = len(last) == len(loss)
    since = "all along" if everywhere else f"since {run.axis} {loss.x[last[0]]:.10g}"
    return Finding(
        "WP114",
        f"{loss.name} is exactly {loss.y[-1]:.10g} in {len(last)} rows, {since}: nothing moves",
        Severity.FAIL,
        int(loss.x[-1]),
        int(loss.x[last[0]]),
        {"subject": loss.name, "value": loss.y[-1], "rows": len(last), "of": len(loss)},
        (
            Suspect("the formula's floor", "80 dB is -10 log10(1e-8): is the output silent?"),
            Suspect("no gradient", "look whether any parameter has one, and is in the optimizer"),
            Suspect("the log", "is the value of this step logged, or one kept from before?"),
        ),
        "compare a parameter before and after one step, bit by bit",
    )
