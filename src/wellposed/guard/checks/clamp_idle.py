"""WP306: clamps inside a network that have never changed a value.

Signal: "clamps" records; exactly 0 values changed over the whole past [E]. Looks needed: as many
as a clamp that bites in half of them misses no more often than the budget. All idle clamps are
one finding: each is a safety net, or a line that can go.
"""

from ..evidence import Evidence
from ..findings import Finding, Severity, Suspect
from ..instruments.clamps import CLAMPS
from ..patience import sustained
from ..windows import backwards
from .clamp_bites import changed

CODES = ("WP306",)
READS = CLAMPS

SHOWN = 4


def check(evidence: Evidence) -> Finding | None:
    """List the clamps that have been idle so far, once."""
    idle: dict[str, float] = {}
    looks = 0
    for site in evidence.of(READS)[-1].table:
        tables = [table for _, table in backwards(evidence, READS, site)]
        if len(tables) >= sustained(evidence.plan.false_alarms) and not any(map(changed, tables)):
            idle[site] = sum(table["values"] for table in tables)
            looks = max(looks, len(tables))
    if not idle:
        return None
    names = list(idle)
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return Finding(
        "WP306",
        f"{len(idle)} clamps have changed no value in {looks} looks"
        if len(idle) > 1
        else f"the clamp in {names[0]} has changed no value in {looks} looks",
        Severity.INFO,
        evidence.step,
        evidence.of(READS)[0].step,
        {
            "clamps": ", ".join(names[:SHOWN]) + more,
            "values_seen": sum(idle.values()),
            "looks": looks,
        },
        (Suspect("the bounds", "compare them with the measured range of what comes in"),),
        "nothing for a safety net; a guessed bound can go, or be set from what was measured",
    )
