"""WP107: a critic is not in the loss as yet.

Signal: the loop says so (`active=False`). Threshold: none, it is a statement (E). A critic that has
not begun cannot have failed: its scores are not judged.
"""

from ..evidence import Evidence
from ..findings import Finding, Severity, Suspect
from ..windows import newest

CODES = ("WP107",)
READS = "critics"


def check(evidence: Evidence) -> Finding | None:
    """Say once which critic waits."""
    name, table = newest(evidence, "critics")
    if table["active"]:
        return None
    planned = {} if evidence.plan.steps is None else {"planned_steps": evidence.plan.steps}
    return Finding(
        "WP107",
        f"{name} is not in the loss as yet; its scores are not judged",
        Severity.INFO,
        evidence.step,
        evidence.step,
        {"subject": name, **planned},
        (
            Suspect(
                "the schedule", "print the step at which the critic joins, beside those planned"
            ),
        ),
        "nothing, if the schedule wants it so; else the step at which the critic joins the loss",
    )
