"""WP305: a clamp inside a network changes more values than was declared.

Signal: share of values with a gradient that a clamp has raised or lowered in the forward passes
that were looked into ("clamps" records). Threshold: the declared share `plan.clamped` [P]. INFO:
the binomial tail of one look's values is below the budget [S]. WARN: the last looks, at equal
distances, all lie above it, and so does the lower end of Student's interval over all looks [S],
because the values of one pass are no independent draws.
"""

from collections.abc import Mapping, Sequence

from ..chance import binomial_tail, mean_interval
from ..evidence import Evidence
from ..findings import Finding, Severity, Suspect
from ..instruments.clamps import CLAMPS
from ..patience import level_at, regular, sustained
from ..plan import Plan
from ..windows import backwards

CODES = ("WP305",)
READS = CLAMPS

Looks = Sequence[tuple[int, Mapping[str, float]]]
"""Step and counts of one clamp, the last look first."""


def check(evidence: Evidence) -> Finding | None:
    """Find the first clamp that bites too often."""
    for site in evidence.of(READS)[-1].table:
        looks = [(record.step, table) for record, table in backwards(evidence, READS, site)]
        severity = _severity(looks, evidence.plan)
        if severity is not None:
            return _finding(evidence, site, looks, severity)
    return None


def _severity(looks: Looks, plan: Plan) -> Severity | None:
    shares = [changed(table) / table["values"] for _, table in looks]
    needed = sustained(plan.false_alarms)
    if shares[0] <= plan.clamped:
        return None
    if len(looks) >= needed and min(shares[:needed]) > plan.clamped:
        low = mean_interval(shares, level_at(plan.false_alarms, len(shares))).low
        if low > plan.clamped and regular([step for step, _ in looks[:needed]]):
            return Severity.WARN
    hits, values = int(changed(looks[0][1])), int(looks[0][1]["values"])
    level = level_at(plan.false_alarms, len(looks))
    return Severity.INFO if binomial_tail(hits, values, plan.clamped) <= level else None


def changed(table: Mapping[str, float]) -> float:
    """Values that a clamp has changed at one look."""
    return table["raised"] + table["lowered"]


def _finding(evidence: Evidence, site: str, looks: Looks, severity: Severity) -> Finding:
    last = looks[0][1]
    share = changed(last) / last["values"]
    since = [step for step, table in looks if changed(table) > 0][-1]
    return Finding(
        "WP305",
        f"the clamp in {site} changes {share:.2%} of its values; declared are "
        f"{evidence.plan.clamped:.2%}",
        severity,
        evidence.step,
        since,
        {
            "subject": site,
            "share": share,
            "declared": evidence.plan.clamped,
            "raised": last["raised"],
            "lowered": last["lowered"],
            "values": last["values"],
            "looks": len(looks),
        },
        (
            Suspect(
                "the bounds", "widen them tenfold: if nothing else changes, they were in the way"
            ),
            Suspect("what comes in", "print its range over a few batches and the longest item"),
        ),
        "normalise what comes in, or set the bounds from measured extremes; a value that a clamp "
        "changes has no gradient. Where it is meant so, declare `Plan(clamped=...)`",
    )
