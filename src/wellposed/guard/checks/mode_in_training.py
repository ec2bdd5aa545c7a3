"""WP213: something that learns is in evaluation mode while steps are taken.

Signal: `training` flags at an optimizer's step, of networks and modules that hold layers which act
differently (dropout, running statistics). Threshold E. WARN for a whole network, and
for a part with dropout; a part whose running statistics alone stand still, or a single dropout
layer, is known practice: INFO, as everything in fine-tuning. Layers of other makers cannot be
known: a whole network without any known one is INFO, too.
"""

from collections.abc import Mapping

from ..evidence import Evidence
from ..findings import Finding, Severity, Suspect

CODES = ("WP213",)
READS = "modes"


def check(evidence: Evidence) -> Finding | None:
    """Name the one that matters most."""
    record = evidence.of("modes")[-1]
    grave = [name for name, each in record.table.items() if _matters(each)]
    names = grave or list(record.table)
    first = record.table[names[0]]
    norms, random = int(first["norms"]), int(first["random"])
    severity = Severity.WARN if grave and not evidence.plan.fine_tuning else Severity.INFO
    return Finding(
        code="WP213",
        title=f"{names[0]} takes steps in evaluation mode",
        severity=severity,
        step=record.step,
        since_step=record.step,
        evidence={
            "subject": "steps",
            "modules": ", ".join(names),
            "layers_with_running_statistics": norms,
            "layers_that_draw_at_random": random,
        },
        suspects=(Suspect("the last validation", "model.train() after it"),),
        advice="model.train() before the steps; freeze the parameters of what shall rest",
    )


def _matters(about: Mapping[str, float]) -> bool:
    if about["whole"]:
        return about["norms"] + about["random"] > 0
    return about["random"] > 0 and not about["single"]
