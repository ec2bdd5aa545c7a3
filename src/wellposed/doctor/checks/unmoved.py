"""WP104, WP114: the learning rate is zero; the training loss is the same in row after row.

Source: exactness [E], where the log is written finely enough to show it: with four decimals a
rate of 3e-5 is written as 0.0000, so a zero counts only in a column that can show a thousandth of
its largest value. A loss must stand still for five rows with four digits or more; if it moved
before, for longer than the share of equal neighbours just before allows at the run's budget [S].
"""

from itertools import groupby, pairwise

from wellposed.doctor.judged import Judged
from wellposed.doctor.meaning import Meaning
from wellposed.doctor.run import Run
from wellposed.doctor.series import Series
from wellposed.guard.findings import Finding, Severity, Suspect

QUESTION = "does anything move?"
CODES = ("WP104", "WP114")
DIGITS = 4
ROWS = 5
"""Equal values in a row; where noise moves four digits by 4 in the last, 1 in 10^4 by chance."""
NEAR = 4
"""Times as long a past shows how often neighbours are alike; earlier, noise may be larger."""


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
    runs = [len(list(group)) for _, group in groupby(loss.y)]
    if len(loss) < ROWS or loss.y[-1] == 0 or not _surprising(run, loss, runs):
        return None
    last = range(len(loss) - runs[-1], len(loss))
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


def _surprising(run: Run, loss: Series, runs: list[int]) -> bool:
    """Whether chance and rounding do not make the last value stand as often as it does."""
    *before, last = runs
    # As many digits must be there to move; of 0.0016 with four decimals there are two.
    units = abs(loss.y[-1]) / (2 * run.rounding(loss.name) or 1e-300)
    if run.table.digits.get(loss.name, 17) < DIGITS or units < 10 ** (DIGITS - 1):
        return False
    if not before:
        return True
    # How often two neighbours were alike just before, by the rule of succession.
    near = loss.y[:-last][-NEAR * last :]
    alike = (1 + sum(a == b for a, b in pairwise(near))) / (1 + len(near))
    return alike ** (last - 1) * len(loss) < run.plan.level(1)
