"""Looks pooled over the near past: so many that chance cannot explain what they agree in."""

from collections.abc import Iterator, Mapping

from .evidence import Evidence, Record
from .plan import Plan

UNPLANNED = 1_000_000
"""Steps of a run that nobody planned; what is needed grows with their logarithm alone."""

Quantities = Mapping[str, float]


def looks_of(plan: Plan, every: int = 1) -> int:
    """How often a run is looked at that is looked at every so many steps."""
    return max((plan.steps or UNPLANNED) // every, 1)


def newest(evidence: Evidence, kind: str) -> tuple[str, Quantities]:
    """Subject and quantities of the last record of a kind, which has one subject."""
    ((name, table),) = evidence.of(kind)[-1].table.items()
    return name, table


def backwards(evidence: Evidence, kind: str, name: str) -> Iterator[tuple[Record, Quantities]]:
    """The records about one subject, the last one first."""
    for record in reversed(evidence.of(kind)):
        if name in record.table:
            yield record, record.table[name]
