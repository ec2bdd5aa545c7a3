"""WP104: at this learning rate the weights cannot arrive before the plan ends.

Signal: the largest relative step norm(dw)/norm(w) of the median weight tensor that any close look
has seen, divided by the relative learning rate at that look, times the sum of relative learning
rates over all planned steps: the longest way there is, as if every step went straight on.

Threshold P (planned steps) and R (a reference with meaning). A way below 1: a weight cannot travel
its own length (INFO: wide networks learn on shorter ways). A way below 1 / sqrt(smaller
dimension) ("reach" below 1): spectral norm(change) <= Frobenius norm(change) < Frobenius norm(w) /
sqrt(rank) <= spectral norm(w), so that not even one direction can change by as much as the
strongest one is worth. WARN if that holds for the weights with half of all entries.
"""

import math
from collections.abc import Sequence

from ..evidence import Evidence, Record
from ..findings import Finding, Severity, Suspect
from ..plan import Plan

CODES = ("WP104",)
READS = "motion"
LOOKS = 5
"""Looks with a learning rate before it is judged: 0, 1, 2, 4, 8 steps after the beginning. More
would change little: of 520 healthy runs 23 cannot go their length by 5 looks, 17 by 11."""
GRID = 1000
"""Steps at which a planned rate is asked; smooth enough for its mean."""


def check(evidence: Evidence) -> Finding | None:
    """Look at each optimizer's longest possible way."""
    plan, records = evidence.plan, evidence.of("motion")
    if not plan.steps or plan.fine_tuning or not records:
        return None
    found = [_judge(plan, records, name) for name in records[-1].table]
    worst = [each for each in found if each is not None]
    return max(worst, key=lambda each: list(Severity).index(each.severity), default=None)


def _judge(plan: Plan, records: Sequence[Record], name: str) -> Finding | None:
    looks = [(record.step, record.table[name]) for record in records if name in record.table]
    rates = [quantities["lr"] for _, quantities in looks]
    top = max(rates)
    # Without a planned rate: while it rises (warm-up) nobody knows where it will end.
    if plan.rate is None and (len(rates) < 2 or rates[-1] > max(rates[:-1])):
        return None
    steps, reaches = [], []
    for step, quantities in looks:
        rate = plan.rate(step) if plan.rate else quantities["lr"] / top if top > 0 else 0.0
        if rate > 0 and "step" in quantities and 2 * quantities["zero"] < quantities["weights"]:
            steps.append(quantities["step"] / rate)
            reaches.append(quantities["reach"] / rate)
    if len(steps) < LOOKS:
        return None
    planned = _planned(plan)
    way, reach = max(steps) * planned, max(reaches) * planned
    if way >= 1:
        return None
    cannot = reach < 1
    length = f"{way:.2g} of its own length"
    return Finding(
        code="WP104",
        title=f"over all {plan.steps} planned steps the median weight can travel {length}",
        severity=Severity.WARN if cannot else Severity.INFO,
        step=looks[-1][0],
        since_step=looks[0][0],
        evidence={
            "subject": name,
            "longest_way": way,
            "way_over_strongest_direction": reach,
            "largest_relative_step": max(steps),
            "planned_steps_at_full_rate": planned,
            "looks": len(steps),
            "lr": rates[-1],
        },
        suspects=(
            Suspect("the learning rate", "ten times of it from the same start: the loss falls"),
            Suspect("the gradients", "their norm per layer: vanishing ones move nothing"),
        ),
        advice=f"a learning rate {_factor(way):.2g} times as high, or more steps; "
        "Plan(fine_tuning=True) where small steps are meant",
    )


def _factor(way: float) -> float:
    return 1 / way if way > 0 else math.inf


def _planned(plan: Plan) -> float:
    """Planned steps, each counted with its relative learning rate."""
    steps = plan.steps or 0
    if plan.rate is None:
        return float(steps)
    asked = min(steps, GRID)
    return sum(plan.rate(place * steps // asked) for place in range(asked)) * steps / asked
