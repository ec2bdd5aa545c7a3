"""WP401: the networks are worse than an output that needs none.

Signal: paired differences between the scores of the networks and those of a trivial output, for
every metric with a better end. Threshold: Student's t at the declared budget over validations,
metrics and outputs [S], against a reference point with meaning [R]; whether it matters yet
follows from the planned budget [P], see `headway.outlook`.
"""

from ..chance import mean_interval
from ..evidence import Evidence, Validation
from ..findings import Finding, Severity, Suspect
from ..headway import contradicted, deficit, level_of, outlook, rivals, standing

CODES = ("WP401",)
READS = "validation"

_STORY = {
    "early": "so far",
    "fell": "and was better before",
    "still": "and no weight has changed since the last validation",
    "stuck": "and at this pace will be at the end",
    "end": "at the end of the run",
    "unproven": "at the end of the run",
}
_RANK = {Severity.INFO: 0, Severity.WARN: 1, Severity.FAIL: 2}


def check(evidence: Evidence) -> Finding | None:
    """Find the worst of all comparisons; one finding per severity and run."""
    now, level = evidence.validations[-1], level_of(evidence)
    worst: tuple[Severity, str, str, str, str] | None = None
    below = []
    for metric, trivial in rivals(now):
        stage = outlook(evidence, metric, trivial, level)
        if not stage or (stage == "unproven" and metric != now.select):
            continue
        if standing(now, metric, trivial, level) < 0:
            below.append(f"{metric} below {trivial}")
        other = contradicted(now, metric, trivial, level)
        severity = _severity(stage, metric == now.select, bool(other))
        if worst is None or _RANK[severity] > _RANK[worst[0]]:
            worst = severity, metric, trivial, stage, other
    return None if worst is None else _finding(now, worst, below, level)


def _severity(stage: str, selecting: bool, disputed: bool) -> Severity:
    if stage in ("early", "unproven") or disputed:
        return Severity.INFO
    return Severity.FAIL if stage == "end" and selecting else Severity.WARN


def _finding(
    now: Validation, worst: tuple[Severity, str, str, str, str], below: list[str], level: float
) -> Finding:
    severity, metric, trivial, stage, other = worst
    gaps = deficit(now, metric, trivial)
    facts: dict[str, float | int | str] = {
        "subject": "networks", "metric": metric, "trivial": trivial, "stage": stage
    }  # fmt: skip
    if gaps:
        spread = mean_interval(gaps, level)
        facts |= {"gain": spread.mean, "low": spread.low, "high": spread.high, "items": spread.n}
        size = f"{spread.mean:+.3g} over {spread.n} items"
    else:
        size = "no item has a score"
    if other:
        facts["disputed_by"] = other
    if below:
        facts["all"] = ", ".join(below)
    how = "worse than" if f"{metric} below {trivial}" in below else "not surely better than"
    return Finding(
        "WP401",
        f"{metric} is {how} that of {trivial}, {size}, {_STORY[stage]}",
        severity,
        now.step,
        now.step,
        facts,
        (
            Suspect("learning rate", "train as long with 10 times and a tenth of it"),
            Suspect("loss", "overfit one batch and score it: the loss falls, the metric does not"),
            Suspect("metric", "score the references themselves; see WP402"),
        ),
        "nothing yet, but look again at the next validation" if stage == "early" else
        f"use {trivial} instead until the networks beat it; start with one batch",
    )  # fmt: skip
