"""WP402: the metric chooses the checkpoint that is most suppressed.

Signal: the best row against the level of the output. Threshold: the level must be drifting by the
rule of WP319 (WARN or more), which is what chance does not do; then it is a fact, not a
statistic, whether the chosen row has the lowest level or energy of all [E], or whether the score
rises as the level leaves the reference (Kendall, exact chance) [S]. A metric that agrees with a
drift that stays within bounds is worth knowing.
"""

from wellposed.doctor.checks.level import in_db, worst_drift
from wellposed.doctor.judged import Judged
from wellposed.doctor.meaning import Meaning
from wellposed.doctor.run import Run
from wellposed.doctor.series import Series
from wellposed.doctor.trends import agreement
from wellposed.guard.findings import Finding, Severity, Suspect

QUESTION = "does the choice of the best checkpoint prefer suppressed output?"
CODES = ("WP402",)
_LEVELS = (Meaning.LEVEL_RATIO, Meaning.LEVEL_DB, Meaning.OUTPUT_LEVEL)


def judge(run: Run) -> Judged:
    """Look at the level of the best row, and at what the metric follows."""
    against = [each.finite for each in run.of(Meaning.LEVEL_RATIO, Meaning.LEVEL_DB)]
    if run.best_row is None:
        return Judged(missing="a metric that chooses, or a mark of the best row")
    if not against:
        return Judged(missing="a column of the output's level over the reference (rms_ratio)")
    drift = worst_drift(run)
    drifting = drift is not None and drift.severity is not Severity.INFO
    levels = [each.finite for each in run.of(*_LEVELS)]
    lowest = [each for each in levels if _is_lowest(run, each)]
    if drifting and lowest:
        return Judged((_chosen(run, lowest),))
    if drift is None:
        return Judged()
    found = [each for level in against if (each := _follows(run, level, drifting))]
    return Judged(tuple(found[:1]))


def _is_lowest(run: Run, level: Series) -> bool:
    values = dict(zip(level.rows, level.y, strict=True))
    return len(values) > 2 and values.get(run.best_row or 0) == min(level.y)


def _chosen(run: Run, lowest: list[Series]) -> Finding:
    row = run.best_row or 0
    levels = ", ".join(
        f"{each.name} {each.said(each.y[each.rows.index(row)])}, lowest of {len(each)}"
        for each in lowest
    )
    metric = run.selecting
    by = "the log's own mark" if run.marked else metric.name if metric else "the metric"
    facts: dict[str, float | int | str] = {"subject": by, "best_row": run.table.where(row)}
    if metric is not None and row in metric.rows:
        facts[metric.name] = metric.y[metric.rows.index(row)]
    for name in (each.name for each in run.of(*_LEVELS)):
        value = run.at(name, row)
        facts |= {name: value} if value is not None else {}
    return Finding(
        "WP402",
        f"the best checkpoint ({run.axis} {run.x(row):.10g}) is the most suppressed: {levels}",
        Severity.WARN,
        int(run.x(row)),
        int(run.x(row)),
        facts,
        _SUSPECTS,
        _ADVICE,
    )


def _follows(run: Run, level: Series, drifting: bool) -> Finding | None:
    metric = run.selecting
    if metric is None:
        return None
    levels = dict(zip(level.rows, in_db(level).y, strict=True))
    both = metric.where([row in levels for row in metric.rows])
    away = [abs(levels[row]) for row in both.rows]
    sign, chance = agreement(away, [value * metric.better for value in both.y])
    if sign <= 0 or chance >= run.plan.level(1) or levels[both.rows[-1]] > 0:
        return None
    return Finding(
        "WP402",
        f"{metric.name} gets better as the output gets quieter than the reference",
        Severity.WARN if drifting else Severity.INFO,
        int(both.x[-1]),
        int(both.x[0]),
        {"subject": metric.name, "chance": chance, "values": len(both), "level": level.name},
        _SUSPECTS,
        _ADVICE,
    )


_SUSPECTS = (
    Suspect("the metric", "score silence and half the level with it: does it notice?"),
    Suspect("the networks", "scale the output to the reference's level and score it again"),
)
_ADVICE = "choose by a metric that sees the level, and keep the checkpoints of the others"
