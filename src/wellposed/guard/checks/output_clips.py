"""WP309: more of the output than of the data lies at or beyond full scale, and it stays so.

Signal: share of samples at or above 1 in size, estimate minus reference, row by row. Threshold: the
lower end of Student's interval [S] is above the declared share of clamped values `plan.clamped`
[P], and the later half of the rows is not surely lower than the earlier half. Data that itself
lies beyond 1 more often than declared has another full scale: nothing is said. INFO over 64 rows,
WARN over 256.
"""

from collections.abc import Sequence
from statistics import fmean

from ..chance import mean_interval
from ..evidence import Evidence
from ..findings import Finding, Severity, Suspect
from ..rows import Row
from ..series import due, spans, stays
from ..windows import looks_of

CODES = ("WP309",)
READS = "rows"

EVERY = 16


def check(evidence: Evidence) -> Finding | None:
    """Judge the last rows."""
    if not due(evidence, EVERY):
        return None
    for rows, severity in spans(evidence, "reference_rms"):
        finding = _judge(evidence, rows, severity)
        if finding is not None:
            return finding
    return None


def _judge(evidence: Evidence, rows: Sequence[Row], severity: Severity) -> Finding | None:
    declared = evidence.plan.clamped
    data = fmean(row.values["reference_full"] for row in rows)
    excess = [row.values["estimate_full"] - row.values["reference_full"] for row in rows]
    if data > declared or fmean(excess) <= declared:
        return None
    level = evidence.plan.level(looks_of(evidence.plan, EVERY))
    spread = mean_interval(excess, level)
    if spread.low <= declared or not stays(excess, level):
        return None
    return Finding(
        "WP309",
        f"{spread.mean + data:.2%} of the output is at full scale, of the data {data:.2%}",
        severity,
        rows[-1].step,
        rows[0].step,
        {
            "share_of_output": spread.mean + data,
            "share_of_data": data,
            "excess_at_least": spread.low,
            "declared": declared,
            "estimate_rms": rows[-1].values["estimate_rms"],
            "reference_rms": rows[-1].values["reference_rms"],
            "rows": len(rows),
        },
        (
            Suspect("the level", "divide estimate_rms by reference_rms: is the output too loud?"),
            Suspect("a saturated output", "print the range of what enters the last tanh or clamp"),
            Suspect("a term that rewards loudness", "leave out one term at a time"),
        ),
        "a term that holds the level; a bounded output hides this and loses its gradient",
    )
