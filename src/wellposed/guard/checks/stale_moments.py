"""WP313: after a change of the loss the optimizer's momentum does not fit the new gradient.

Signal: the cosine between the running mean of past gradients and the fresh gradient at the first
three steps after the names of the terms changed, or after a resume, against the same at the last
close looks before. Threshold S: all three below all n of the past; were nothing changed, that had
the chance 1 / C(n + 3, 3), compared with the declared budget over all changes so far. After a mere
resume they must lie below by the whole range of the past as well.

INFO, since the mean forgets within some steps; WARN where the old mean now points against the
gradient (all three cosines below 0), which it never did before.
"""

import math

from ..evidence import Evidence
from ..findings import Finding, Severity, Suspect

CODES = ("WP313",)
READS = "moments"
AFTER = 3


def check(evidence: Evidence) -> Finding | None:
    """Judge the optimizer that has turned most."""
    record = evidence.of("moments")[-1]
    name = min(record.table, key=lambda each: record.table[each]["highest"])
    about = record.table[name]
    looks = int(about["looks"])
    chance = 1 / math.comb(looks + AFTER, AFTER)
    if chance > evidence.plan.level(int(about["changes"])):
        return None
    against = about["highest"] < 0 < about["lowest"]
    what = "the terms of the loss changed" if about["renamed"] else "the run was resumed"
    return Finding(
        code="WP313",
        title=f"momentum turned from the gradient (cosine {about['highest']:.2f} at most, "
        f"{about['median']:.2f} before) when {what}",
        severity=Severity.WARN if against else Severity.INFO,
        step=record.step,
        since_step=record.step - AFTER + 1,
        evidence={
            "subject": f"{name} at change {int(about['changes'])}",
            "cosine_after_at_most": about["highest"],
            "cosine_before_at_least": about["lowest"],
            "cosine_before_median": about["median"],
            "looks_before": looks,
            "chance": chance,
        },
        suspects=(
            Suspect("moments of the old loss", "the same steps with a fresh optimizer"),
            Suspect("the new loss", "fresh moments point along it as before: it is consistent"),
        ),
        advice="a fresh optimizer state and a short warm-up after the loss has changed",
    )
