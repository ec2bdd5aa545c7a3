"""WP314: one item of the batch pulls harder than all others together, again and again.

Signal: at each look the largest item's gradient at the estimate over the sum of all others', as it
is and times the item's level, the smaller of both ("items" records, see `forces.py`). Threshold:
above 1 the item outweighs the batch [B]; it must do so in more looks than where the items have no
mean at all (`heavytail.py`), by a binomial test that spends the budget over all looks.
"""

from ..chance import binomial_tail
from ..evidence import Evidence
from ..findings import Finding, Severity, Suspect
from ..heavytail import outweighed
from ..instruments.forces import LARGEST
from ..patience import level_at

CODES = ("WP314",)
READS = "items"


def check(evidence: Evidence) -> Finding | None:
    """Find batches that one item decides."""
    records = [record for record in evidence.of(READS) if LARGEST in record.table]
    if not records or records[-1].table[LARGEST]["over_others"] <= 1:
        return None
    count = records[-1].table[LARGEST]["items"]
    alike = [(each.step, each.table[LARGEST]) for each in records]
    alike = [(step, table) for step, table in alike if table["items"] == count]
    hits = [(step, table) for step, table in alike if table["over_others"] > 1]
    chance = outweighed(int(count))
    level = level_at(evidence.plan.false_alarms, len(alike))
    if binomial_tail(len(hits), len(alike), chance) > level:
        return None
    table = hits[-1][1]
    item = int(table["item"])
    return Finding(
        "WP314",
        f"one item outweighs all others of its batch in {len(hits)} of {len(alike)} looks, "
        f"now item {item} by {table['over_others']:.3g}",
        Severity.WARN,
        evidence.step,
        hits[0][0],
        {
            "item": item,
            "over_the_sum_of_all_others": table["over_others"],
            "items": int(count),
            "looks_outweighed": len(hits),
            "looks": len(alike),
            "share_without_a_mean": chance,
            "level": level,
        },
        (
            Suspect("the item", "leave it out of the batch and look at the gradient again"),
            Suspect(
                "a logarithm or ratio in a term",
                "scale that item's reference by 10: if its pull changes as much, it is the level",
            ),
        ),
        "relabel or leave out such items, or a floor relative to the level of the data in the term "
        "that they decide",
    )
