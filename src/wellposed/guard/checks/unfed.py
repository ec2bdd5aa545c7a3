"""WP114: parameters that never had a gradient while others of their optimizer had one.

Signal: at every call of the guard, whether the gradient was there and not 0. Threshold E: never,
at any step. How long to wait before it is WARN is S: a branch that is drawn at random (quantizer
dropout, one of several tasks) with chance p in a step stays out of n steps with chance (1 - p)**n.
At the declared budget of 1 % and n = 64 steps that leaves out every branch that is used in more
than 7 % of the steps. INFO after 8 steps: a branch used in fewer than 44 % of them may be named.
"""

from ..evidence import Evidence
from ..findings import Finding, Severity, Suspect

CODES = ("WP114",)
READS = "unfed"
EARLY, LATE = 8, 64
"""Steps before it is INFO, and WARN."""


def check(evidence: Evidence) -> Finding | None:
    """Name the first ones of the owner that has the most of them."""
    record = evidence.of("unfed")[-1]
    owners = {name: each for name, each in record.table.items() if "held" in each}
    ripe = [name for name, each in owners.items() if each["steps"] >= EARLY]
    if not ripe:
        return None
    owner = max(ripe, key=lambda name: owners[name]["count"])
    count, held, steps = (int(owners[owner][key]) for key in ("count", "held", "steps"))
    names = [name for name, each in record.table.items() if not each]
    return Finding(
        code="WP114",
        title=f"{count} of {held} parameters never had a gradient in {steps} steps: {names[0]}",
        severity=Severity.WARN if steps >= LATE else Severity.INFO,
        step=record.step,
        since_step=record.step - steps,
        evidence={
            "subject": f"unfed by {owner}",
            "count": count,
            "of": held,
            "steps": steps,
            "parameters": ", ".join(names),
            "rarest_branch_that_would_show": 1 - evidence.plan.false_alarms ** (1 / steps),
        },
        suspects=(
            Suspect(names[0], "is it called? a hook on its module counts the passes"),
            Suspect("a cut", "without detach(), no_grad() or an argmax in between it has one"),
        ),
        advice="call it, remove it, or requires_grad_(False) where it is meant to rest",
    )
