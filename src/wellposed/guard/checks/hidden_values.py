"""WP316: a module inside a network makes numbers that are not finite, and something hides them.

Signal: outputs of modules at due steps in which the network's own output is finite and the step was
not refused ("hidden" records) [E]. NaN again and again: WARN. Infinities may be a mask: INFO.
"""

from ..evidence import Evidence
from ..findings import Finding, Severity, Suspect
from ..instruments.hidden import HIDDEN
from ..windows import backwards

CODES = ("WP316",)
READS = HIDDEN

SHOWN = 4
REPEATED = 2
"""Looks with NaN: that it comes again shows that it is no accident of one batch."""


def check(evidence: Evidence) -> Finding | None:
    """Name the first module of the last look."""
    table = evidence.of(READS)[-1].table
    undefined = [name for name, each in table.items() if each["nan"]]
    name = min(undefined or table, key=lambda each: table[each]["order"])
    looks = [(record.step, each["nan"]) for record, each in backwards(evidence, READS, name)]
    repeated = sum(nan > 0 for _, nan in looks) >= REPEATED
    return Finding(
        "WP316",
        f"{name} makes {'NaN' if undefined else 'infinities'} that never reach the output",
        Severity.WARN if undefined and repeated else Severity.INFO,
        evidence.step,
        looks[-1][0],
        {
            "subject": name,
            "values": "nan" if undefined else "inf",
            "looks": len(looks),
            "modules": ", ".join(list(table)[:SHOWN]),
            "modules_in_all": len(table),
        },
        (
            Suspect(name, "print the range of its inputs in this step"),
            Suspect(
                "what hides them",
                "the gradient through where() and masked_fill() of NaN is NaN: look for WP302",
            ),
        ),
        "nothing for a mask of minus infinity before a softmax; else make the module's result "
        "finite where it is made, not after",
    )
