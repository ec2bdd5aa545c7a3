"""WP110: a critic's score or target is not a number.

Signal: scores that are not finite, counted, never replaced. Threshold: exact (E), none may be. A
metric that raises or returns NaN and is then set to 0 looks like a critic that has collapsed.
"""

from ..evidence import Evidence
from ..findings import Finding, Severity, Suspect
from ..windows import Quantities, backwards, newest

CODES = ("WP110",)
READS = "critics"


def check(evidence: Evidence) -> Finding | None:
    """Count what is not finite, now and in the looks that are kept."""
    name, table = newest(evidence, "critics")
    if not table["active"] or not _undefined(table):
        return None
    past = [each for _, each in backwards(evidence, "critics", name)]
    real, fake = table.get("real_undefined", 0.0), table.get("fake_undefined", 0.0)
    examples = table.get("real_n", 0.0) + table.get("fake_n", 0.0)
    return Finding(
        "WP110",
        f"{real + fake:.0f} of {examples:.0f} scores of {name} are undefined",
        Severity.WARN,
        evidence.step,
        evidence.step,
        {
            "subject": name,
            "undefined_real": real,
            "undefined_made": fake,
            "examples": examples,
            "looks_with_undefined": sum(_undefined(each) > 0 for each in past),
            "looks_kept": len(past),
        },
        (
            Suspect("the metric", "call it on each example of the batch and keep the exception"),
            Suspect("a silent or non-finite output", "the smallest and largest RMS of the batch"),
        ),
        "leave undefined examples out of the loss and count them; a 0 in their place is a label",
    )


def _undefined(table: Quantities) -> float:
    return table.get("real_undefined", 0.0) + table.get("fake_undefined", 0.0)
