"""What is the smallest improvement that the validation can see, and is it the one hoped for?

Signal: scores of validation items by fresh networks, and by the same ones some steps later: the
spread of the differences item by item. Threshold [S, P]: two standard errors of their mean over all
items of the validation, against the smallest gain that counts.
"""

import math
from dataclasses import dataclass
from statistics import stdev

from ....findings import Severity
from ....paired import gains
from ...verdict import Answer, Part, bad
from ..rehearsal import Rehearsal
from ..unasked import Unasked

QUESTION = "evidence"
CODES = ("WP404",)
QUICK = False
LOOKED_AT = 16
"""Validation batches that are measured; the spread is theirs, the count that of all."""
STEPS = 10
"""Steps between the two measurements. Checkpoints further apart differ more, up to strangers."""
LEAST = 4
"""Items below which a spread says nothing."""


@dataclass(frozen=True)
class Resolution:
    """What a validation can see."""

    items: float
    """Of all batches, as many to a batch as those looked at had."""
    paired: float
    """Between checkpoints, item by item: two standard errors."""
    fresh: float
    """Between strangers."""

    def numbers(self, wanted: float) -> dict[str, float]:
        """For the table of numbers."""
        return {
            "validation_items": round(self.items),
            "validation_sees_paired": self.paired,
            "validation_sees_unpaired": self.fresh,
            "smallest_gain_that_counts": wanted,
        }


def ask(rehearsal: Rehearsal) -> Part:
    """Measure twice, and compare."""
    problem = rehearsal.problem
    if problem.select is None:
        raise Unasked("no yardstick is named that chooses the best: Problem(select='x')")
    if not len(problem.validation):
        raise Unasked("no validation items are given: Problem(validation=[...])")
    seen, wanted = _measured(rehearsal, problem.select), problem.smallest_gain
    text = (
        f"{round(seen.items)} validation items see a gain of {seen.paired:.2g} in {problem.select} "
        f"between checkpoints {STEPS} steps apart, of {seen.fresh:.2g} between strangers"
    )
    if 0 < wanted < seen.paired:
        answer = _too_coarse(seen, wanted, problem.select, text)
    elif wanted > 0:
        answer = Answer(QUESTION, f"{text}; {wanted:g} counts")
    else:
        answer = Answer(QUESTION, f"{text}; no smallest gain that counts is stated")
    return Part([answer], seen.numbers(wanted))


def _measured(rehearsal: Rehearsal, select: str) -> Resolution:
    """Score the first items before and after a few steps. Raises Unasked: too few have a score."""
    problem, networks = rehearsal.problem, rehearsal.networks()
    count = len(problem.validation)
    batches = [problem.validation[number] for number in range(min(count, LOOKED_AT))]

    def scored() -> list[float | None]:
        return [
            score
            for batch in batches
            for score in rehearsal.scores(select, rehearsal.estimates(networks, batch), batch)
        ]

    before = scored()
    for step, _ in enumerate(rehearsal.training(networks)):
        if step == STEPS:
            break
    differences = gains(problem.yardsticks[select][1], scored(), before)
    if len(differences) < LEAST:
        raise Unasked(f"{len(differences)} of {len(before)} items have a score; {LEAST} are needed")
    items = len(before) * count / len(batches)
    defined = len(differences) / len(before) * items
    known = [score for score in before if score is not None]
    paired = 2 * stdev(differences) / math.sqrt(defined)
    return Resolution(items, paired, 2 * stdev(known) * math.sqrt(2 / defined))


def _too_coarse(seen: Resolution, wanted: float, select: str, text: str) -> Answer:
    needed = math.ceil(seen.items * (seen.paired / wanted) ** 2)
    return bad(
        QUESTION,
        "WP404",
        Severity.WARN,
        f"{text}, but {wanted:g} counts: {needed} items would see it",
        {"subject": "validation", "metric": select, "resolution": seen.paired,
         "resolution_unpaired": seen.fresh, "counts": wanted, "items": round(seen.items),
         "items_needed": needed},
        suspects=(("too few items", "score two checkpoints on `items_needed` items"),),
        advice="more validation items, or count no gain below what they can see",
    )  # fmt: skip
