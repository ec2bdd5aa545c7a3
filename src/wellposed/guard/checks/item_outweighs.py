"""WP314: one item makes up a term, far beyond what the largest items before it did.

Signal: the largest share that one item has in a term of one value an item, as odds against all
others, row by row. Threshold: above 1 it outweighs them [B]; and the rows before it explain none so
large in the whole run: `heavytail.reach` from 200 rows on, `heavytail.early_reach` from 32 on
[V]. INFO: it is one batch. Whether items do so again and again, `hijack.py` asks.
"""

from ..evidence import Evidence
from ..findings import Finding, Severity, Suspect
from ..finite import TERM
from ..heavytail import early_reach, reach
from ..rows import Row
from ..series import alike, terms_of
from ..signals import ITEM, SHARE
from ..windows import looks_of

CODES = ("WP314",)
READS = "rows"

RECENT = 32
"""Rows whose odds must be exceeded before the threshold is computed: 1 in 33 does by chance."""


def check(evidence: Evidence) -> Finding | None:
    """Look at the fresh rows."""
    count = len(evidence.rows)
    for place in range(count - min(evidence.fresh, count), count):
        row = evidence.rows[place]
        terms = [key.removeprefix(TERM) for key in terms_of(row) if row.healthy]
        outweighed = [name for name in terms if odds_of(row, name) > 1]
        if not outweighed:
            continue
        rows = list(evidence.rows)
        recent = [each.values for each in alike(rows, place, RECENT)]
        for name in outweighed:
            share = row.values[SHARE + name]
            if len(recent) < RECENT or share <= max(each[SHARE + name] for each in recent):
                continue
            past = [odds_of(each, name) for each in alike(rows, place, count)]
            budget, looks = evidence.plan.false_alarms / len(terms), looks_of(evidence.plan)
            threshold = (reach if len(past) >= 200 else early_reach)(past, budget, looks)
            if odds_of(row, name) > threshold:
                return _finding(evidence, row, name, threshold)
    return None


def odds_of(row: Row, name: str) -> float:
    """The largest item of a term against the sum of all others."""
    share = row.values.get(SHARE + name, 0.0)
    return share / (1 - share) if share < 1 else float("inf")


def _finding(evidence: Evidence, row: Row, name: str, threshold: float) -> Finding:
    item = int(row.values[ITEM + name])
    return Finding(
        "WP314",
        f"item {item} outweighs all others in the term {name} by {odds_of(row, name):.3g}; by its "
        f"past below {max(threshold, 1):.3g} in the whole run",
        Severity.INFO,
        row.step,
        row.step,
        {
            "subject": name,
            "item": item,
            "share": row.values[SHARE + name],
            "over_the_sum_of_all_others": odds_of(row, name),
            "threshold": max(threshold, 1.0),
            "expected_false_alarms": evidence.plan.false_alarms,
        },
        (
            Suspect("the item", "the same step without it: its length, level and reference"),
            Suspect("its reference", "whether it is silent or nearly so (WP105)"),
        ),
        "look at that item; a floor relative to the level of the data in the term that it decides",
    )
