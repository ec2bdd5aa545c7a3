"""WP319: the level of the output leaves that of the reference.

Signal: the level over the reference in dB along the log. Threshold: a slope away from 0 dB, of all
values or of the later half, that chance does not give at the run's budget (Student's t) [S], and
that the later half goes on with (a level that has settled does not). It is measured by reference
points with meaning [R]: below half the amplitude the output is nearer to silence than to the
reference; at twice it, its error is as large as the reference itself, so that silence would do as
well. A drift that would get there within as much training as the log covers is a WARN, one that
is there a FAIL, a slower one worth knowing.
"""

import math
from dataclasses import dataclass

from wellposed.doctor.judged import Judged
from wellposed.doctor.meaning import Meaning
from wellposed.doctor.run import Run
from wellposed.doctor.series import Series
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
    """In dB over the reference, where it shows."""
    fit: Line
    """Through the later half, where there are 8 values or more."""
    chance: float
    """Of such a slope, of all values or of the later half."""
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
    n, last = len(levels), levels.y[-1]
    later = levels.where([index >= n // 2 for index in range(n)]) if n >= 8 else levels
    whole, fit = line(levels.x, levels.y), line(later.x, later.y)
    # Where the level is going: no faster than either line says, nowhere if they disagree.
    slope = min(whole.slope, fit.slope, key=abs) if whole.slope * fit.slope > 0 else 0.0
    ahead = fit.end + slope * (levels.x[-1] - levels.x[0])
    if all(abs(value) >= HALF_DB and value * last > 0 for value in later.y):
        if abs(last) >= abs(later.y[0]):
            return Drift(later, fit, fit.p, Severity.FAIL, True)
        if ahead * last >= HALF_DB * abs(last):
            return Drift(later, fit, fit.p, Severity.WARN, True)
    chance = min(whole.p, fit.p)
    sure = chance < run.plan.level(looks * (2 if n >= 8 else 1))
    if not sure or slope * last <= 0 or fit.end * last <= 0 or abs(last) <= min(map(abs, levels.y)):
        return None
    if abs(fit.end) >= HALF_DB:
        return Drift(levels, fit, chance, Severity.FAIL, False)
    soon = abs(ahead) >= HALF_DB
    return Drift(levels, fit, chance, Severity.WARN if soon else Severity.INFO, False)


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
        facts["at_the_end_of_the_line_db"] = drift.fit.end
        facts["chance_of_the_slope"] = drift.chance
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
