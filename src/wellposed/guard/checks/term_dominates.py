"""WP204: one term outweighs all others of the loss, and it is blind, or it makes them worse.

Signal: share of each term in the gradient at the estimate, at every look. That a term weighs most
is no fault. WARN: over the last looks its share is surely above one half [S, B], and its pull lies
in each item along the estimate itself or along a constant, to rounding [R, U]: it knows the level
or the DC of the output and nothing else, and it decides. INFO: it outweighs the others and a step
down the whole surely makes them worse (their cosine with the whole is below 0) [R, S].
"""

import math
from collections.abc import Mapping, Sequence

from ..chance import mean_interval
from ..evidence import Evidence
from ..findings import Finding, Severity, Suspect
from ..patience import regular, sustained

CODES = ("WP204",)
READS = "forces"

FLOAT32 = 2.0**-23
"""Distance from 1 to the next float32; a sum of n products strays by about sqrt(n) of them."""


def check(evidence: Evidence) -> Finding | None:
    """Find the term that outweighs all others at the last looks."""
    records = evidence.of(READS)
    needed = sustained(evidence.plan.false_alarms)
    table = records[-1].table
    pulling = [name for name, each in table.items() if each["norm"] > 0]
    if len(pulling) < 2:
        return None
    name = max(pulling, key=lambda each: table[each]["share"])
    looks = [(each.step, each.table[name]) for each in records if name in each.table][-needed:]
    if len(looks) < needed:
        return None
    numbers = [each for _, each in looks]
    level, half = evidence.plan.false_alarms, 0.5 + _rounding(numbers[-1])
    shares = [each["share"] for each in numbers]
    if min(shares) <= half or mean_interval(shares, level).low <= half:
        return None
    blind = _blind(numbers)
    if blind:
        lasting = regular([step for step, _ in looks])
        return _finding(evidence, name, looks, blind, Severity.WARN if lasting else Severity.INFO)
    if mean_interval([each["others_gain"] for each in numbers], level).high < 0:
        return _finding(evidence, name, looks, "", Severity.INFO)
    return None


def _blind(looks: Sequence[Mapping[str, float]]) -> str:
    """The one thing that the term knows of the estimate, if it is one; "" if it knows more."""
    if looks[-1]["numbers"] < 3:  # Any two directions are alike then, or nearly.
        return ""
    for kind in ("level", "dc"):
        if min(each[f"along_{kind}"] for each in looks) >= 1 - _rounding(looks[-1]):
            return kind
    return ""


def _rounding(look: Mapping[str, float]) -> float:
    return math.sqrt(look["numbers"]) * FLOAT32


def _finding(
    evidence: Evidence,
    name: str,
    looks: Sequence[tuple[int, Mapping[str, float]]],
    blind: str,
    severity: Severity,
) -> Finding:
    last = looks[-1][1]
    knows = {"level": "the level", "dc": "the mean"}.get(blind, "")
    harm = (
        f"and knows nothing of the estimate but {knows}"
        if blind
        else "and a step down the whole makes the others worse"
    )
    shares = [each["share"] for _, each in looks]
    return Finding(
        "WP204",
        f"the term {name} has {shares[-1]:.0%} of the pull {harm}",
        severity,
        evidence.step,
        looks[0][0],
        {
            "subject": name,
            "share": shares[-1],
            "share_first_look": shares[0],
            "looks": len(looks),
            "over_others": last["over_others"],
            "along_level": last["along_level"],
            "along_dc": last["along_dc"],
            "with_others": last["with_others"],
            "others_gain": last["others_gain"],
            "toward_louder": last["toward_louder"],
        },
        (
            Suspect(
                f"the weight of {name}",
                f"divide it by {last['over_others']:.2g}, so that it weighs as much as the others, "
                "and compare an independent score",
            ),
            Suspect(f"{name} itself", "leave it out and compare the others' values"),
        ),
        f"a smaller weight of {name}"
        + (", or a term that compares content as well as " + knows if blind else ""),
    )
