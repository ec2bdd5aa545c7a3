"""WP305: a clamp inside a network changes more values than was declared.

Signal: share of values with a gradient that a clamp has raised or lowered in the forward passes
that were looked into ("clamps" records). Threshold: the declared share `plan.clamped` [P]; the
last looks all lie above it, and so does the lower end of Student's interval over looks [S],
because the values of one pass are no independent draws.
"""

from collections.abc import Mapping, Sequence

from ..chance import mean_interval
from ..evidence import Evidence
from ..findings import Finding, Severity, Suspect
from ..instruments.clamps import CLAMPS
from ..patience import level_at, regular, sustained
from ..windows import backwards

CODES = ("WP305",)
READS = CLAMPS


def check(evidence: Evidence) -> Finding | None:
    """Find the first clamp that bites too often."""
    budget = evidence.plan.false_alarms
    for site in evidence.of(READS)[-1].table:
        looks = [(record.step, table) for record, table in backwards(evidence, READS, site)]
        shares = [changed(table) / table["values"] for _, table in looks]
        recent = shares[: sustained(budget)]
        if len(recent) < sustained(budget) or min(recent) <= evidence.plan.clamped:
            continue
        spread = mean_interval(shares, level_at(budget, len(shares)))
        if spread.low > evidence.plan.clamped:
            return _finding(evidence, site, looks, shares, spread.low)
    return None


def changed(table: Mapping[str, float]) -> float:
    """Values that a clamp has changed at one look."""
    return table["raised"] + table["lowered"]


def _finding(
    evidence: Evidence,
    site: str,
    looks: Sequence[tuple[int, Mapping[str, float]]],
    shares: Sequence[float],
    low: float,
) -> Finding:
    recent = looks[: sustained(evidence.plan.false_alarms)]
    return Finding(
        "WP305",
        f"the clamp in {site} changes {shares[0]:.2%} of its values; declared are "
        f"{evidence.plan.clamped:.2%}",
        Severity.WARN if regular([step for step, _ in recent]) else Severity.INFO,
        evidence.step,
        looks[-1][0],
        {
            "subject": site,
            "share": shares[0],
            "share_at_least": low,
            "declared": evidence.plan.clamped,
            "raised": looks[0][1]["raised"],
            "lowered": looks[0][1]["lowered"],
            "values": looks[0][1]["values"],
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
