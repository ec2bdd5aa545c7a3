"""WP317: a gradient was used that still held the step before.

Signal: when the first backward pass after an optimizer's step begins to add to a gradient, it must
be None or 0, or be cleared before the optimizer's next step. Threshold E: not 0. Accumulation,
scaling, clipping and averaging over processes do not touch this.
"""

from ..evidence import Evidence
from ..findings import Finding, Severity, Suspect

CODES = ("WP317",)
READS = "leftovers"


def check(evidence: Evidence) -> Finding | None:
    """Name the first ones."""
    record = evidence.of("leftovers")[-1]
    owner = next(name for name, each in record.table.items() if "count" in each)
    count, watched = (int(record.table[owner][key]) for key in ("count", "watched"))
    names = [name for name, each in record.table.items() if not each]
    return Finding(
        code="WP317",
        title=f"{count} of {watched} gradients still hold those of the step before: {names[0]}",
        severity=Severity.FAIL,
        step=record.step,
        since_step=record.step,
        evidence={
            "subject": owner, "count": count, "of": watched, "parameters": ", ".join(names)
        },
        suspects=(Suspect("a forgotten zero_grad", f"{owner}.zero_grad() before backward"),),
        advice="optimizer.zero_grad() once per step; model.zero_grad() leaves out parameters that "
        "only the optimizer has",
    )  # fmt: skip
