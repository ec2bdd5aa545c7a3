"""What is the smallest improvement that the validation can see, and is it the one hoped for?

Signal: scores of validation items by fresh networks, and by the same ones some steps later: the
spread of the differences item by item. Threshold [S, P]: two standard errors of their mean over all
items of the validation, against the smallest gain that counts.
"""

import math
from itertools import islice
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


def ask(rehearsal: Rehearsal) -> Part:
    """Measure twice, and compare."""
    problem = rehearsal.problem
    if problem.select is None:
        raise Unasked("no yardstick is named that chooses the best: Problem(select='x')")
    if not len(problem.validation):
        raise Unasked("no validation items are given: Problem(validation=[...])")
    networks = rehearsal.networks()
    batches = list(islice((problem.validation[n] for n in range(len(problem.validation))),
                          LOOKED_AT))  # fmt: skip

    def scored() -> list[float | None]:
        return [
            score
            for batch in batches
            for score in rehearsal.scores(
                problem.select or "", rehearsal.estimates(networks, batch), batch
            )
        ]

    before = scored()
    for step, _ in enumerate(rehearsal.training(networks)):
        if step == STEPS:
            break
    after = scored()
    better = problem.yardsticks[problem.select][1]
    differences = gains(better, after, before)
    if len(differences) < LEAST:
        raise Unasked(f"{len(differences)} of {len(before)} items have a score; {LEAST} are needed")
    items = len(before) * len(problem.validation) / len(batches)
    defined = len(differences) / len(before) * items
    paired = 2 * stdev(differences) / math.sqrt(defined)
    known = [score for score in before if score is not None]
    fresh = 2 * stdev(known) * math.sqrt(2 / defined)
    numbers = {
        "validation_items": round(items),
        "validation_sees_paired": paired,
        "validation_sees_unpaired": fresh,
        "smallest_gain_that_counts": problem.smallest_gain,
    }
    text = (
        f"{round(items)} validation items see a gain of {paired:.2g} in {problem.select} between "
        f"checkpoints {STEPS} steps apart, of {fresh:.2g} between strangers"
    )
    wanted = problem.smallest_gain
    if wanted <= 0:
        text += "; no smallest gain that counts is stated"
        return Part([Answer(QUESTION, text)], numbers)
    if wanted >= paired:
        return Part([Answer(QUESTION, f"{text}; {wanted:g} counts")], numbers)
    needed = math.ceil(items * (paired / wanted) ** 2)
    finding = bad(
        QUESTION,
        "WP404",
        Severity.WARN,
        f"{text}, but {wanted:g} counts: {needed} items would see it",
        {"subject": "validation", "metric": problem.select, "resolution": paired,
         "resolution_unpaired": fresh, "counts": wanted, "items": round(items),
         "items_needed": needed},
        suspects=(("too few items", "score two checkpoints on `items_needed` items"),),
        advice="more validation items, or count no gain below what they can see",
    )  # fmt: skip
    return Part([finding], numbers)
