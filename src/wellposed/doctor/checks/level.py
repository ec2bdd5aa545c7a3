"""WP319: the level of the output leaves that of the reference.

Signal: the level over the reference in dB along the log, its later half where that has 8 values
or more. Threshold: a slope away from 0 dB that chance does not give at the run's budget
(Student's t) [S], measured by reference points with meaning [R]: below half the amplitude the
output is nearer to silence than to the reference; at twice it, its error is as large as the
reference itself, so that silence would do as well. A drift that would get there within as much
training as was looked at is a WARN, one that is there a FAIL, a slower one worth knowing.
"""

import math
from dataclasses import dataclass

from wellposed.doctor.judged import Judged
from wellposed.doctor.meaning import Meaning
from wellposed.doctor.run import Run, Series
from wellposed.doctor.trends import Line, line
from wellposed.guard.findings import Finding, Severity, Suspect

QUESTION = "does the output's level drift or collapse?"
CODES = ("WP319",)
HALF_DB = 20 * math.log10(2)
"""Half or twice the amplitude."""


@dataclass(frozen=True)
class Drift:
    """What the level does over the part of the log that was looked at."""

    levels: Series
    """In dB over the reference."""
    fit: Line
    severity: Severity
    collapsed: bool


def judge(run: Run) -> Judged:
    """The worst drift of all columns of level."""
    if not _levels(run):
        return Judged(missing="a column of the output's level over the reference (rms_ratio)")
    drift = worst_drift(run)
    return Judged((_finding(run, drift),) if drift else ())


def worst_drift(run: Run) -> Drift | None:
    """The level's drift, if there is one; also for checks that ask what it did to a choice."""
    series = _levels(run)
    rank = list(Severity)
    found = [drift for each in series if (drift := _drift(run, each, len(series)))]
    return max(found, key=lambda each: rank.index(each.severity), default=None)


def in_db(series: Series) -> Series:
    """A level in dB over the reference."""
    if series.meaning is Meaning.LEVEL_DB:
        return series
    # A level of exactly 0 is silence; below a rounding of 24 bits nothing is heard.
    floor = 2.0**-24
    return series.with_values([20 * math.log10(max(value, floor)) for value in series.y])


def _levels(run: Run) -> list[Series]:
    found = [each.finite for each in run.of(Meaning.LEVEL_RATIO, Meaning.LEVEL_DB)]
    return [in_db(each) for each in found if len(each) >= 2]


def _drift(run: Run, levels: Series, looks: int) -> Drift | None:
    whole, n = levels, len(levels)
    if n >= 8:
        levels = levels.where([index >= n // 2 for index in range(n)])
    fit = line(levels.x, levels.y)
    last, nearest = levels.y[-1], min(map(abs, whole.y))
    beyond = all(abs(value) >= HALF_DB and value * last > 0 for value in levels.y)
    ahead = fit.end + (fit.end - fit.start)
    if beyond and abs(last) >= abs(levels.y[0]):
        return Drift(levels, fit, Severity.FAIL, True)
    if beyond and abs(ahead) >= HALF_DB and ahead * last > 0:
        return Drift(levels, fit, Severity.WARN, True)
    away = fit.p < run.plan.level(looks) and fit.slope * last > 0 and fit.end * last > 0
    if not away or abs(last) <= nearest:
        return None
    if abs(fit.end) >= HALF_DB:
        return Drift(levels, fit, Severity.FAIL, False)
    soon = abs(ahead) >= HALF_DB
    return Drift(levels, fit, Severity.WARN if soon else Severity.INFO, False)


def _finding(run: Run, drift: Drift) -> Finding:
    levels, first, last = drift.levels, drift.levels.y[0], drift.levels.y[-1]
    where = f"between {run.axis} {levels.x[0]:.10g} and {levels.x[-1]:.10g}"
    ratios = f"{10 ** (first / 20):.3g} to {10 ** (last / 20):.3g} of the reference"
    facts: dict[str, float | int | str] = {
        "subject": levels.name,
        "first_db": first,
        "last_db": last,
        "last_ratio": 10 ** (last / 20),
        "values": len(levels),
    }
    if len(levels) > 2:
        facts |= {"chance_of_the_slope": drift.fit.p, "at_the_end_of_the_line_db": drift.fit.end}
        facts |= _ahead(run, drift)
    kind = "has collapsed" if drift.collapsed and last < 0 else "drifts"
    return Finding(
        "WP319",
        f"the output's level {kind}: {ratios} {where}",
        drift.severity,
        int(levels.x[-1]),
        int(levels.x[0]),
        facts,
        (
            Suspect("a term that pays for quiet", "drop one term at a time over the same steps"),
            Suspect("no term sees the level", "add one that does: does the drift end?"),
        ),
        "give the loss a term that sees the level of every output; a clamped or scale-free one "
        "leaves it to chance",
    )


def _ahead(run: Run, drift: Drift) -> dict[str, float | int | str]:
    """Where the line meets half or twice the reference's amplitude."""
    fit, levels = drift.fit, drift.levels
    left = HALF_DB - abs(fit.end)
    if drift.severity is not Severity.WARN or left <= 0 or run.axis == "row":
        return {}
    what = "half" if levels.y[-1] < 0 else "twice"
    return {f"{what}_the_level_at_{run.axis}": int(levels.x[-1] + left / abs(fit.slope))}
