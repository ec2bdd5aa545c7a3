"""WP105: references that are exactly silent, more of them than were declared.

Signal: items whose reference is zero throughout, from the rows. Threshold: with no such items
declared one is enough [E]; else the binomial tail of the kept rows, at the declared share and the
budget of the run [P, S]. A step counts once, whoever of several players was shown the reference.
"""

from ..chance import binomial_tail
from ..evidence import Evidence
from ..findings import Finding, Severity, Suspect
from ..rows import Row
from ..series import due, fresh_rows
from ..windows import looks_of

CODES = ("WP105",)
READS = "rows"

EVERY = 16
"""Rows between two sums over all kept rows, where silence was declared."""
SILENT = "silent_references"


def check(evidence: Evidence) -> Finding | None:
    """Count silent references."""
    declared = evidence.plan.silent_targets
    if declared <= 0:
        first = next((row for row in fresh_rows(evidence) if row.values.get(SILENT, 0) > 0), None)
        return None if first is None else _finding(evidence, [first], 0.0)
    if not due(evidence, EVERY):
        return None
    rows = {row.step: row for row in evidence.rows if row.values.get("items", 0) > 0}
    hits = sum(int(row.values[SILENT]) for row in rows.values())
    items = sum(int(row.values["items"]) for row in rows.values())
    if hits <= declared * items:
        return None
    chance = binomial_tail(hits, items, declared)
    if chance > evidence.plan.level(looks_of(evidence.plan, EVERY)):
        return None
    return _finding(evidence, list(rows.values()), chance)


def _finding(evidence: Evidence, rows: list[Row], chance: float) -> Finding:
    hits = int(sum(row.values[SILENT] for row in rows))
    items = int(sum(row.values["items"] for row in rows))
    declared = evidence.plan.silent_targets
    return Finding(
        "WP105",
        f"{hits} of {items} references are exactly silent; declared are {declared:.2%}",
        Severity.WARN,
        rows[-1].step,
        rows[0].step,
        {
            "silent": hits,
            "items": items,
            "declared_share": declared,
            "steps": len(rows),
            "chance_of_so_many": chance,
        },
        (
            Suspect("the data", "list the files behind this batch, and their level"),
            Suspect(
                "cropping", "draw the same items with other offsets: silent parts of whole files"
            ),
            Suspect(
                "labels", "a target that is marked as present and is not: relabel or leave out"
            ),
        ),
        "relabel or leave out such items, or declare them: `Plan(silent_targets=...)`; look at "
        "what each term does with a silent reference",
    )
