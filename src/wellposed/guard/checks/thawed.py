"""WP116: a parameter that is frozen is moved by an optimizer all the same.

Signal: a sample of its entries right before and right after a step, at close looks and in the first
step in which it has a gradient without requiring one. Threshold E: one bit. Nothing
but the optimizer acts in between, so averages and codebooks that a forward pass updates are not
meant. A sample proves that a parameter moved; it may miss that one did. FAIL where the plan freezes
it by name; WARN where it does not require grad and an optimizer with a stale gradient, momentum or
weight decay moves it.
"""

from ..evidence import Evidence
from ..findings import Finding, Severity, Suspect

CODES = ("WP116",)
READS = "frozen"


def check(evidence: Evidence) -> Finding | None:
    """Name those that the plan freezes first."""
    record = evidence.of("frozen")[-1]
    named = {name: each for name, each in record.table.items() if name != "all"}
    declared = [name for name, each in named.items() if each["declared"]]
    names = declared or list(named)
    how = "the plan freezes it" if declared else "it does not require grad"
    return Finding(
        code="WP116",
        title=f"{names[0]} moves in an optimizer's step, though {how}",
        severity=Severity.FAIL if declared else Severity.WARN,
        step=record.step,
        since_step=record.step,
        evidence={
            "subject": "declared" if declared else "no grad",
            "count": int(record.table["all"]["count"]),
            "parameters": ", ".join(names),
        },
        suspects=(
            Suspect("a stale gradient", "its .grad is None: it rests"),
            Suspect("weight decay or momentum", "weight_decay=0 in its group, state cleared"),
        ),
        advice="give optimizers only what shall move: [p for p in ... if p.requires_grad], and "
        "set .grad to None when freezing",
    )
