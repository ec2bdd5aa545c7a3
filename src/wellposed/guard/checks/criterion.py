"""WP408: a promise of the plan is not kept.

Signal: the mean of a promised metric over the items that have a score. Threshold: the plan's own
bounds, from the plan's own step on [E].
"""

import math

from ..evidence import Evidence
from ..findings import Finding, Severity, Suspect
from ..paired import mean
from ..plan import Criterion

CODES = ("WP408",)
READS = "validation"


def check(evidence: Evidence) -> list[Finding]:
    """Find every promise that is broken now; NaN keeps none."""
    now = evidence.validations[-1]
    due = [each for each in evidence.plan.criteria if now.step >= each.step]
    means = [mean(now.scores.get(each.metric, ())) for each in due]
    return [
        _finding(evidence, each, value)
        for each, value in zip(due, means, strict=True)
        if not each.low <= value <= each.high
    ]


def _finding(evidence: Evidence, criterion: Criterion, value: float) -> Finding:
    now = evidence.validations[-1]
    ended = evidence.plan.ends_at(now.step)
    metric, bounds = criterion.metric, f"[{criterion.low:g}, {criterion.high:g}]"
    if metric not in now.scores:
        title = f"{metric} should lie in {bounds}, and is not measured"
    elif math.isnan(value):
        title = f"{metric} should lie in {bounds}, and no item has a score"
    else:
        title = f"{metric} is {value:.4g}, promised was {bounds} from step {criterion.step} on"
    return Finding(
        "WP408",
        title,
        Severity.FAIL if ended else Severity.WARN,
        now.step,
        criterion.step,
        {
            "subject": f"{metric}, at the end" if ended else metric,
            "metric": metric,
            "mean": value,
            "low": criterion.low,
            "high": criterion.high,
            "promised_from_step": criterion.step,
            "items": len(now.scores.get(metric, ())),
        },
        (
            Suspect("training", "look whether the metric still moves towards its bounds"),
            Suspect("bounds", "score the references and the input: can the metric lie there?"),
        ),
        "call the run unfinished, or say why the promise was wrong, and change it in the plan",
    )
