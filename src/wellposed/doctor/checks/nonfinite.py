"""WP301, WP405: the training loss or a validation is not a number. Source: exactness [E].

A loss that comes back was skipped or averaged away; one that never does means that the weights
are NaN and that everything after it was spent for nothing. A validation that is NaN while the
loss is finite has an item without a score that was averaged in.
"""

import math
from collections.abc import Sequence

from wellposed.doctor.judged import Judged
from wellposed.doctor.meaning import BETTER, Meaning
from wellposed.doctor.run import Run
from wellposed.doctor.series import Series
from wellposed.guard.findings import Finding, Severity, Suspect

QUESTION = "does it train on NaN?"
CODES = ("WP301", "WP405")

_TRAINED = (Meaning.LOSS, Meaning.TERM)


def judge(run: Run) -> Judged:
    """Look at every logged loss, then at every validation that the loss does not explain."""
    losses = run.of(*_TRAINED)
    # Without its own loss, what is left to see is the validation or the critic.
    watched = losses or run.of(Meaning.VALIDATION_LOSS, Meaning.CRITIC)
    bad = [each for each in watched if not _finite(each)]
    dead = [each for each in bad if not math.isfinite(each.y[-1])]
    found = []
    if dead:
        found.append(_for_good(run, min(dead, key=_final), bad))
    elif bad:
        found.append(_now_and_then(run, max(bad, key=_count)))
    found += _validations(run, [each for each in run.of(*BETTER) if each not in watched], dead)
    return Judged(tuple(found), "" if watched else "a column of the training loss")


def _for_good(run: Run, series: Series, bad: Sequence[Series]) -> Finding:
    start = series.rows.index(_final(series))
    row, spent = series.rows[start], run.span(series.rows[start])
    with_it = [each.name for each in bad if each is not series]
    facts: dict[str, float | int | str] = {
        "subject": series.name,
        "value": str(series.y[start]),
        "first_row": run.table.where(row),
        **{f"{unit}_spent_after_it": count for unit, count in spent.items()},
        "share_of_the_log": spent["rows"] / len(run.order),
    }
    if with_it:
        facts["also"] = ", ".join(with_it)
    facts |= _before(run, series, start)
    return Finding(
        "WP301",
        f"{series.name} is {series.y[start]} from {run.axis} {run.x(row):.10g} to the end: "
        f"{_said(spent)} for nothing",
        Severity.FAIL,
        int(run.x(run.order[-1])),
        int(run.x(row)),
        facts,
        _SUSPECTS,
        f"start again from a checkpoint of before {run.axis} {run.x(row):.10g}: a weight that is "
        "NaN stays NaN; refuse such steps before they reach the weights",
    )


def _now_and_then(run: Run, series: Series) -> Finding:
    rows = series.where([not math.isfinite(value) for value in series.y]).rows
    return Finding(
        "WP301",
        f"{series.name} is not finite in {len(rows)} of {len(series)} rows, and comes back",
        Severity.WARN,
        int(run.x(rows[-1])),
        int(run.x(rows[0])),
        {"subject": series.name, "times": len(rows), "first_row": run.table.where(rows[0])},
        _SUSPECTS,
        "log which batch it was; a step that is skipped silently hides its reason",
    )


def _validations(run: Run, metrics: Sequence[Series], dead: Sequence[Series]) -> list[Finding]:
    end = min((run.x(_final(each)) for each in dead), default=math.inf)
    found = []
    for series in metrics:
        bad = [
            row
            for row, x, value in zip(series.rows, series.x, series.y, strict=True)
            if not math.isfinite(value) and x < end
        ]
        if bad:
            found.append(_unscored(run, series, bad))
    return found


def _unscored(run: Run, series: Series, bad: Sequence[int]) -> Finding:
    return Finding(
        "WP405",
        f"{series.name} is not finite in {len(bad)} of {len(series)} validations",
        Severity.WARN,
        int(run.x(bad[-1])),
        int(run.x(bad[0])),
        {"subject": series.name, "times": len(bad), "first_row": run.table.where(bad[0])},
        (Suspect("one item", "score the items one by one and name those without a score"),),
        "count the items that have no score beside the mean of the others",
    )


def _before(run: Run, series: Series, start: int) -> dict[str, float | int | str]:
    """What the last rows before it looked like."""
    if start == 0:
        return {"last_finite": "never"}
    facts: dict[str, float | int | str] = {
        "last_finite": series.y[start - 1],
        f"last_finite_{run.axis}": int(series.x[start - 1]),
    }
    for norm in run.of(Meaning.GRADIENT):
        past = [y for row, y in zip(norm.rows, norm.y, strict=True) if row < series.rows[start]]
        if past:
            facts["last_gradient_norm"] = past[-1]
    return facts


def _final(series: Series) -> int:
    """Row at which the last run of values that are not finite begins."""
    start = len(series)
    while start > 0 and not math.isfinite(series.y[start - 1]):
        start -= 1
    return series.rows[min(start, len(series) - 1)]


def _finite(series: Series) -> bool:
    return all(map(math.isfinite, series.y))


def _count(series: Series) -> int:
    return sum(not math.isfinite(value) for value in series.y)


def _said(spent: dict[str, float | int]) -> str:
    """What was spent, in the unit that people count: hours, steps, epochs, else rows."""
    unit = next((each for each in ("hours", "steps", "epochs") if spent.get(each)), "rows")
    amount = spent[unit]
    shown = f"{amount:.3g}" if unit == "hours" else f"{amount}"
    return f"{shown} {unit if amount != 1 else unit.removesuffix('s')}"


_SUSPECTS = (
    Suspect("one operation", "replay the first bad batch from the checkpoint before it"),
    Suspect("the batch", "the same weights on another batch: finite?"),
    Suspect("the weights", "the same batch on an older checkpoint: finite?"),
)
