"""WP118: the output is exactly silent for whole batches while references are not.

Signal: rows in which every item with a reference that is not silent has an estimate that is zero
throughout [E]. Threshold: so many such rows in a row as coins must agree for the budget, since a
gate that begins at 0 opens with the first steps.
"""

from collections.abc import Mapping

from ..evidence import Evidence
from ..findings import Finding, Severity, Suspect
from ..patience import sustained
from ..series import own_rows

CODES = ("WP118",)
READS = "rows"


def check(evidence: Evidence) -> Finding | None:
    """Count silent batches up to the last row."""
    if not evidence.rows or not _dead(evidence.rows[-1].values):
        return None
    needed = sustained(evidence.plan.false_alarms)
    # Rows without anything to hear say nothing.
    telling = [row for row in own_rows(evidence) if _audible(row.values) > 0]
    last = telling[-needed:]
    if len(last) < needed or not all(_dead(row.values) for row in last):
        return None
    return Finding(
        "WP118",
        f"the output is exactly silent in the last {needed} batches, their references are not",
        Severity.WARN,
        last[-1].step,
        last[0].step,
        {
            "rows": needed,
            "items": int(last[-1].values["items"]),
            "estimate_rms": last[-1].values["estimate_rms"],
            "reference_rms": last[-1].values["reference_rms"],
            "gradient_norm": last[-1].values["gradient_norm"],
        },
        (
            Suspect("dead units", "print the share of zeros after each activation"),
            Suspect("a gate or gain of 0", "set it to 1 and look at the output"),
            Suspect(
                "the optimizer", "whether the last layer's parameters are in it (WP117, WP120)"
            ),
        ),
        "an initial value or activation with a slope at 0, and an output that is not exactly 0",
    )


def _audible(values: Mapping[str, float]) -> float:
    return values.get("items", 0) - values.get("silent_references", 0)


def _dead(values: Mapping[str, float]) -> bool:
    return _audible(values) > 0 and values.get("lost_estimates", 0) == _audible(values)
