"""WP106: a term of the loss has never pulled at the estimate.

Signal: records of forces: no path from the term to the estimate, or a gradient of exactly 0, at
every look so far [E]. Looks needed: as many as a term that is active in half of the batches
misses no more often than the budget; rows in which the term was not 0 count as active.
"""

from collections.abc import Mapping, Sequence

from ..evidence import Evidence
from ..findings import Finding, Severity, Suspect
from ..finite import TERM
from ..patience import regular, sustained

CODES = ("WP106",)
READS = "forces"

_KIND = {
    "absent": "has no graph: nothing can learn from it",
    "saturated": "is not 0, but its gradient at the estimate is exactly 0",
    "elsewhere": "does not depend on the estimate; it teaches something else",
    "nothing": "is exactly 0",
}


def check(evidence: Evidence) -> Finding | None:
    """Find the first term that has never pulled."""
    records = evidence.of(READS)
    needed = sustained(evidence.plan.false_alarms)
    for name in records[-1].table:
        looks = [record.table[name] for record in records if name in record.table]
        if len(looks) < needed or any(each["norm"] != 0 for each in looks):
            continue
        kind = _kind(looks)
        if kind == "absent" and _excused(evidence, name):
            continue
        steps = [record.step for record in records if name in record.table]
        return _finding(evidence, name, kind, steps)
    return None


def _kind(looks: Sequence[Mapping[str, float]]) -> str:
    if not any(each["connected"] for each in looks):
        return "elsewhere" if any(each["graph"] for each in looks) else "absent"
    return "saturated" if all(each["value"] != 0 for each in looks) else "nothing"


def _excused(evidence: Evidence, name: str) -> bool:
    """Whether a critic waits for its turn, or a row has seen the term at work between two looks."""
    if any(
        not each["active"] for record in evidence.of("critics") for each in record.table.values()
    ):
        return True
    return any(
        value != 0
        for row in evidence.rows
        for key, value in row.values.items()
        if key.startswith(TERM) and key.removeprefix(TERM).rpartition("/")[2] == name
    ) and not all(
        record.table[name]["value"] for record in evidence.of(READS) if name in record.table
    )


def _finding(evidence: Evidence, name: str, kind: str, steps: Sequence[int]) -> Finding:
    faulty = kind in ("absent", "saturated")
    grave = faulty and regular(steps[-sustained(evidence.plan.false_alarms) :])
    return Finding(
        "WP106",
        f"the term {name} {_KIND[kind]}, at each of {len(steps)} looks",
        Severity.WARN if grave else Severity.INFO,
        evidence.step,
        steps[0],
        {
            "subject": name,
            "kind": kind,
            "looks": len(steps),
            "value": evidence.of(READS)[-1].table[name]["value"],
        },
        (
            Suspect(name, "multiply its weight by 10: a run from the same seed keeps every bit"),
            Suspect("the path", f"print the grad_fn of {name} and of what it is computed from"),
        ),
        "compute the term from the estimate itself, without detach or a clamp that is always "
        "reached, and add it to the sum; or take it out"
        if faulty
        else "nothing, if it is meant so",
    )
