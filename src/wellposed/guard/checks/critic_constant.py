"""WP108: a critic gives every example the same score, real or made.

Signal: the range of all scores of a look, real and made together. Threshold: rounding (U), at most
one unit in the last place of a float32 of their size; in every one of the last log2(1 / level)
looks, level being the budget of one look. A fresh critic whose last layer is zero is constant for
one look or two: were every look so with an even chance, this many in a row would still be
within the budget.
"""

import math

from ..evidence import Evidence
from ..findings import Finding, Severity, Suspect
from ..windows import Quantities, backwards, looks_of, newest

CODES = ("WP108",)
READS = "critics"
ULP = 2.0**-23


def check(evidence: Evidence) -> Finding | None:
    """Count the looks without any range."""
    name, table = newest(evidence, "critics")
    if not _is_constant(table):
        return None
    wanted = math.ceil(-math.log2(evidence.plan.level(looks_of(evidence.plan))))
    since, looks = evidence.step, 0
    for record, each in backwards(evidence, "critics", name):
        if not _is_constant(each):
            return None
        since, looks = record.step, looks + 1
        if looks == wanted:
            break
    else:
        return None
    return Finding(
        "WP108",
        f"{name} gives every example {table['low']:.4g}, real or made",
        Severity.WARN,
        evidence.step,
        since,
        {
            "subject": name,
            "score": table["low"],
            "range": table["high"] - table["low"],
            "looks": looks,
            "examples_a_look": table["real_n"] + table["fake_n"],
        },
        (
            Suspect("a detached input", "the gradient at the critic's first layer: is it 0?"),
            Suspect("dead units", "the share of zeros behind each of its nonlinearities"),
            Suspect("its learning rate", "run again from a fresh critic with a tenth of it"),
        ),
        "a fresh critic; a nonlinearity that does not die; scores taken before any clamp or detach",
    )


def _is_constant(table: Quantities) -> bool:
    if not table["active"] or "auc" not in table:
        return False
    largest = max(abs(table["low"]), abs(table["high"]))
    return table["high"] - table["low"] <= ULP * largest
