"""WP311: a term or the gradient jumps out of its range.

Signal: each term and the gradient's norm. Nothing is divided by the level of the loss, which may
cross zero: what counts is the distance above the median of the rows before. Threshold: trimmed
peaks over threshold of the logarithm of that distance (`heavytail.reach`), so that the run's rows
exceed it as often in all as the budget says [V]. One row: INFO. WARN: all of the last rows lie
above the threshold that was set before they left, and they are more than the longest stay above
the 95 % quantile so far by as many as coins must agree for the budget [S, V].
"""

import math
from collections.abc import Sequence
from statistics import median

from ..evidence import Evidence
from ..findings import Finding, Severity, Suspect
from ..finite import TERM
from ..heavytail import reach
from ..rows import Row
from ..series import alike, due, own_rows, rate_rises, terms_of
from ..windows import UNPLANNED, looks_of

CODES = ("WP311",)
READS = "rows"

RECENT = 32
"""Rows that a value must exceed before the threshold is computed: 1 in 33 does by chance."""
EVERY = 16
"""Rows between two looks for a range that was left for good: it is a state, not an event."""
NORM = "gradient_norm"

_SUSPECTS = (
    Suspect("the batch", "the same step with another batch: no jump, and the batch took part"),
    Suspect(
        "the state", "the same batch from an earlier checkpoint: no jump, and it was the state"
    ),
    Suspect("the learning rate", "the steps before, at a tenth of it"),
)


def check(evidence: Evidence) -> Finding | None:
    """Look for a range that was left for good, then for single rows."""
    return (_left(evidence) if due(evidence, EVERY) else None) or _jumped(evidence)


def _jumped(evidence: Evidence) -> Finding | None:
    rows = list(evidence.rows)
    for place in range(len(rows) - min(evidence.fresh, len(rows)), len(rows)):
        row = rows[place]
        if not row.healthy:
            continue
        recent = list(alike(rows, place, RECENT))
        for key in _keys(row):
            value = row.values[key]
            if len(recent) < RECENT or value <= max(each.values[key] for each in recent):
                continue
            past = [each.values[key] for each in alike(rows, place, len(rows))]
            threshold = reach(past, _budget(evidence, row), looks_of(evidence.plan))
            if value > threshold:
                return _spike(evidence, row, key, threshold)
    return None


def _left(evidence: Evidence) -> Finding | None:
    rows = own_rows(evidence)
    if len(rows) < 200:
        return None
    keys = (NORM, *terms_of(rows[-1]))
    # At the level of a long run also in a short one: what is shaken takes as long to come back.
    coins = math.ceil(math.log2(UNPLANNED / EVERY * len(keys) / evidence.plan.false_alarms))
    for key in keys:
        # Quick: the last eight are all above the middle of a few, 1 time in 256 by chance.
        few = median(row.values[key] for row in rows[:: len(rows) // 16])
        if min(row.values[key] for row in rows[-8:]) <= few:
            continue
        values = [row.values[key] for row in rows]
        # An excursion that was not there at the last look is at most so much longer.
        before = sorted(values[: -coins - EVERY])
        quantile = before[int(0.95 * len(before))]
        stay = _last_stay(values, quantile)
        past = values[: len(values) - stay]
        if stay < coins or len(past) < 200:
            continue
        needed = coins + _longest_stay(past, quantile)
        threshold = reach(past, _budget(evidence, rows[-1]), looks_of(evidence.plan))
        if stay < needed or min(values[-needed:]) <= threshold:
            continue
        if not rate_rises(evidence.plan, rows[-stay - 1 :]):
            return _gone(evidence, rows[-stay:], key, threshold, needed)
    return None


def _keys(row: Row) -> list[str]:
    # Of several that jump in one row the first is reported: the most particular one.
    return [*terms_of(row), NORM]


def _budget(evidence: Evidence, row: Row) -> float:
    return evidence.plan.false_alarms / len(_keys(row))


def _last_stay(values: Sequence[float], quantile: float) -> int:
    stay = 0
    for value in reversed(values):
        if value <= quantile:
            break
        stay += 1
    return stay


def _longest_stay(values: Sequence[float], quantile: float) -> int:
    longest = stay = 0
    for value in values:
        stay = stay + 1 if value > quantile else 0
        longest = max(longest, stay)
    return longest


def _spike(evidence: Evidence, row: Row, key: str, threshold: float) -> Finding:
    name, value = _name(key), row.values[key]
    return Finding(
        "WP311",
        f"{name} jumps to {value:.4g}; by its past it stays below {threshold:.4g} in the whole run",
        Severity.INFO,
        row.step,
        row.step,
        {
            "subject": name,
            "value": value,
            "threshold": threshold,
            "expected_false_alarms": evidence.plan.false_alarms,
        },
        _SUSPECTS,
        "nothing for a single one; look at that batch if they come again",
    )


def _gone(
    evidence: Evidence, stay: Sequence[Row], key: str, threshold: float, needed: int
) -> Finding:
    name = _name(key)
    lowest = min(row.values[key] for row in stay[-needed:])
    return Finding(
        "WP311",
        f"{name} has left its range and not come back in {len(stay)} rows: above {lowest:.4g}, "
        f"by its past below {threshold:.4g}",
        Severity.WARN,
        evidence.step,
        stay[0].step,
        {
            "subject": name,
            "value": stay[-1].values[key],
            "threshold": threshold,
            "rows_outside": len(stay),
            "rows_needed": needed,
            "expected_false_alarms": evidence.plan.false_alarms,
        },
        (*_SUSPECTS, Suspect("a change of plan", "whether data, weights or rate changed there")),
        "go back to the checkpoint before it; if the data or the weights of terms changed there "
        "on purpose, nothing",
    )


def _name(key: str) -> str:
    return f"the term {key.removeprefix(TERM)}" if key.startswith(TERM) else "the gradient norm"
