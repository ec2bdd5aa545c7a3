"""WP415: references belong to other sources of the batch.

Signal: pairs of a source and a reference that prefer each other to all others (correlation at lag
0, "alignment" records), and that are not the pairs that were given. Threshold: where nothing
belongs to anything, fewer than half of the items are in such a pair, (n - 1) / (2 n - 1) of n;
surely more than half is more than chance [S].
"""

from ..chance import binomial_tail
from ..evidence import Evidence
from ..findings import Finding, Severity, Suspect
from ..instruments.alignment import ALIGNMENT, PAIRS
from ..patience import level_at

CODES = ("WP415",)
READS = ALIGNMENT


def check(evidence: Evidence) -> Finding | None:
    """Count crossed pairs over all looks."""
    pairs = [record.table[PAIRS] for record in evidence.of(READS) if PAIRS in record.table]
    items = int(sum(each["items"] for each in pairs))
    crossed = int(sum(each["crossed"] for each in pairs))
    level = level_at(evidence.plan.false_alarms, len(pairs) or 1)
    if 2 * crossed <= items or binomial_tail(crossed, items, 0.5) > level:
        return None
    return Finding(
        "WP415",
        f"{crossed} of {items} references belong to another source of their batch",
        Severity.FAIL,
        evidence.step,
        evidence.of(READS)[0].step,
        {"crossed": crossed, "items": items, "looks": len(pairs), "level": level},
        (
            Suspect("shuffling", "print the names of source and reference of one batch"),
            Suspect("two data loaders", "draw both from one: their orders differ"),
        ),
        "draw source and reference together, by one index",
    )
