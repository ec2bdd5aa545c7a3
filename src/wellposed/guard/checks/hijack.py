"""WP314: one item of the batch pulls harder than all others together, again and again.

Signal: at each look the largest item's gradient at the estimate over the sum of all others', as it
is and times the item's level, the smaller of both ("items" records, see `forces.py`). Threshold:
above 1 the item outweighs the batch [B]; a bet that would be fair if the items had no mean at all
(`heavytail.wager`) must have won more than the budget allows. It may be looked at after every look.
"""

import math
from collections.abc import Mapping

from ..evidence import KEPT, Evidence
from ..findings import Finding, Severity, Suspect
from ..heavytail import outweighed, wager
from ..instruments.forces import LARGEST
from ..windows import UNPLANNED

Table = Mapping[str, float]

CODES = ("WP314",)
READS = "items"


def check(evidence: Evidence) -> Finding | None:
    """Find batches that one item decides."""
    records = [record for record in evidence.of(READS) if LARGEST in record.table]
    if not records or records[-1].table[LARGEST]["over_others"] <= 1:
        return None
    count = int(records[-1].table[LARGEST]["items"])
    if count < 3:  # One of two always outweighs the other.
        return None
    looks = [(each.step, each.table[LARGEST]) for each in records]
    looks = [(step, table) for step, table in looks if table["items"] == count]
    # Of infinite odds no more is known than that float32 saw nothing else.
    odds = [min(table["over_others"], 2.0**24) for _, table in looks]
    fortune = sum(math.log(wager(each, count)) for each in odds)
    # Once old looks are forgotten, each new look begins another sequence of bets.
    sequences = 1 if len(records) < KEPT else UNPLANNED
    if fortune < math.log(sequences / evidence.plan.false_alarms):
        return None
    return _finding(evidence, looks, count, fortune)


def _finding(
    evidence: Evidence, looks: list[tuple[int, Table]], count: int, fortune: float
) -> Finding:
    hits = [(step, table) for step, table in looks if table["over_others"] > 1]
    table = hits[-1][1]
    item = int(table["item"])
    return Finding(
        "WP314",
        f"one item outweighs all others of its batch in {len(hits)} of {len(looks)} looks, "
        f"now item {item} by {table['over_others']:.3g}",
        Severity.WARN,
        evidence.step,
        hits[0][0],
        {
            "item": item,
            "over_the_sum_of_all_others": table["over_others"],
            "items": count,
            "looks_outweighed": len(hits),
            "looks": len(looks),
            "share_without_a_mean": outweighed(count),
            "odds_against_chance": math.exp(min(fortune, 700.0)),
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
