"""WP408: a stated criterion is not met. Source: the criterion itself [E]."""

import math

from wellposed.doctor.judged import Judged
from wellposed.doctor.run import Run
from wellposed.guard.findings import Finding, Severity, Suspect
from wellposed.guard.plan import Criterion

QUESTION = "are the stated criteria met?"
CODES = ("WP408",)


def judge(run: Run) -> Judged:
    """Hold every criterion against its column, from its step on."""
    if not run.plan.criteria:
        return Judged(missing="a criterion (--criterion 'rms_ratio in 0.9..1.1')")
    return Judged(tuple(each for c in run.plan.criteria if (each := _look(run, c))))


def _look(run: Run, criterion: Criterion) -> Finding | None:
    series = run.series(criterion.metric)
    due = series.where([x >= criterion.step for x in series.x])
    kept = [criterion.low <= value <= criterion.high for value in due.y]
    if kept and kept[-1]:
        return None
    met = [x for x, held in zip(due.x, kept, strict=True) if held]
    when = f"last at {run.axis} {met[-1]:.10g}" if met else "never"
    bounds = _bounds(criterion)
    if not kept:
        title = f"{series.name} {bounds} was not looked at from {criterion.step} on"
    else:
        title = f"{series.name} {bounds} is met {when}; at the end it is {series.said(due.y[-1])}"
    facts: dict[str, float | int | str] = {"subject": series.name, "met": len(met)}
    facts |= {"of": len(due), "low": criterion.low, "high": criterion.high}
    if kept:
        facts |= {"last": due.y[-1], "nearest": min(due.y, key=lambda y: _distance(criterion, y))}
    return Finding(
        "WP408",
        title,
        Severity.WARN if met else Severity.FAIL,
        int(series.x[-1]) if len(series) else 0,
        int(met[-1]) if met else criterion.step,
        facts,
        (
            Suspect("training", "look whether it still moves towards its bounds"),
            Suspect("the bounds", "score the references: can it lie there at all?"),
        ),
        "call the run unfinished, or say why the criterion was wrong, and change it",
    )


def _distance(criterion: Criterion, value: float) -> float:
    if math.isnan(value):
        return math.inf
    return max(criterion.low - value, value - criterion.high, 0.0)


def _bounds(criterion: Criterion) -> str:
    if criterion.high == math.inf:
        return f">= {criterion.low:.6g}"
    if criterion.low == -math.inf:
        return f"<= {criterion.high:.6g}"
    return f"in {criterion.low:.6g}..{criterion.high:.6g}"
