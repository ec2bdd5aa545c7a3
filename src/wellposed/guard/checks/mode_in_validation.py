"""WP213: a network was validated in training mode.

Signal: networks that ran without gradients between the last step and the validation in training
mode only, and hold dropout or running statistics; or those that the loop names. Threshold E. The
scores are then those of another network than the one that will be used, they do not repeat, and
running statistics have taken in the validation set.
"""

from ..evidence import Evidence
from ..findings import Finding, Severity, Suspect

CODES = ("WP213",)
READS = "validation"


def check(evidence: Evidence) -> Finding | None:
    """Look at the last validation."""
    validation = evidence.validations[-1]
    if not validation.training:
        return None
    names = ", ".join(validation.training)
    return Finding(
        code="WP213",
        title=f"{names} was validated in training mode",
        severity=Severity.FAIL,
        step=validation.step,
        since_step=validation.step,
        evidence={"subject": "validation", "networks": names},
        suspects=(Suspect("a forgotten model.eval()", "two validations then give the same bits"),),
        advice="model.eval() before the validation and model.train() after it",
    )
