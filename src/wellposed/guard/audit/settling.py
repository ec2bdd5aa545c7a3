"""What the equilibrium of the shared gain says of an objective: a level, or none."""

import math
from collections.abc import Mapping
from dataclasses import replace

import torch

from ..findings import Severity
from .equilibrium import BATCH_SIZES, LOWEST, Equilibrium, Settling
from .probes import rms
from .terms import POINTS, Objective
from .verdict import Answer, Numbers, Part, bad


def settling_part(objective: Objective) -> Part:
    """The equilibrium of the shared gain, for this batch size and for others."""
    equilibrium = Equilibrium(objective)
    settled = equilibrium.settle()
    curve = equilibrium.curve(equilibrium.gains)
    numbers: Numbers = {
        "settles_at_gain": settled.best if settled.settles else math.nan,
        "as_good_from": settled.low,
        "as_good_to": settled.high,
        "predicted_level": settled.level if settled.settles else math.nan,
        "objective_over_gain_db": {f"{20 * math.log10(g):.1f}": cost for g, cost in curve.items()},
    }
    judged = settled
    if not (settled.settles and settled.near_one):
        # Uncertain estimates cost less when quieter under any loss; certain ones must not.
        judged = Equilibrium(_nearer(objective)).settle()
    answers = _level_answers(settled, judged)
    if objective.per == "kind":
        by_size = {size: equilibrium.settle(size) for size in BATCH_SIZES}
        numbers["level_by_batch_size"] = {
            str(size): each.level if each.settles else math.nan for size, each in by_size.items()
        }
        answers.append(_by_size(by_size))
    return Part(answers, numbers)


def _nearer(objective: Objective) -> Objective:
    """The same objective with estimates whose error is a tenth, where there is a target."""
    items = {
        kind: replace(
            each,
            estimate=torch.where(
                rms(each.reference) > 0,
                each.reference + POINTS["near"] * (each.estimate - each.reference),
                each.estimate,
            ),
        )
        for kind, each in objective.items.items()
    }
    return replace(objective, items=items)


def _level_answers(settled: Settling, judged: Settling) -> list[Answer]:
    """Judge by `judged`: where the network stands, or nearer if that is doubted."""
    evidence = {
        "subject": "shared gain",
        "best_gain": judged.best,
        "as_good_from": judged.low,
        "as_good_to": judged.high,
        "saved_share": judged.saved,
    }
    answers = []
    if not judged.settles:
        lowest = judged.low <= 1.001 * LOWEST
        where = f"{'' if lowest else f'from {judged.low:.2g} '}to {judged.high:.2g}"
        answers.append(
            bad(
                "uniqueness",
                "WP203",
                Severity.FAIL,
                f"the level settles nowhere: every common gain {where} is as good as the best",
                evidence,
                suspects=(
                    ("a hinge or floor that ends the slope", "audit with it taken out"),
                    ("no term that holds the level", "add one, and audit again"),
                ),
                advice="a level term on items with a target, relative to the target",
            )
        )
    if not judged.near_one:
        answers.append(
            bad(
                "uniqueness",
                "WP101",
                Severity.FAIL,
                f"a common gain of {judged.high:.2g} costs less than one, also for estimates near "
                "the reference",
                evidence,
                suspects=(("the term for silent targets", "set its weight to 0"),),
                advice="bound that term, or measure it relative to the mixture",
            )
        )
    return answers or [_predicted(settled, evidence)]


def _predicted(settled: Settling, evidence: dict[str, float | int | str]) -> Answer:
    if not settled.settles:
        said = f"{settled.low:.2g} to {settled.high:.2g}"
        return Answer("uniqueness", f"the common gain settles between {said} for these estimates")
    level_db = 20 * math.log10(settled.level) if settled.level > 0 else math.nan
    said = (
        f"the common gain settles at {settled.best:.2f}: predicted level of outputs "
        f"{settled.level:.2f} of the references ({level_db:+.1f} dB)"
    )
    if settled.near_one:
        return Answer("uniqueness", said)
    return bad(
        "uniqueness",
        "WP111",
        Severity.WARN,
        f"{said}; near the reference it is right: doubt is answered by turning down",
        evidence | {"best_gain_here": settled.best},
        suspects=(("estimates far from their references", "audit a network that is trained"),),
        advice="a level term, if the level matters where the estimate is poor",
    )


def _by_size(by_size: Mapping[int, Settling]) -> Answer:
    listed = ", ".join(
        f"{size}: {each.level:.2f}" if each.settles else f"{size}: nowhere"
        for size, each in by_size.items()
    )
    return Answer("uniqueness", f"predicted level by batch size: {listed}")
