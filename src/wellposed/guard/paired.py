"""Validations compared item by item: what two lists of scores say, and how surely.

What two measurements of one item have in common (a hard item is hard for both) cancels in their
difference. Differences of two *fresh* lists may be taken as well: the test stays right, it only
sees less, because nothing cancels.
"""

import math
from collections.abc import Sequence
from statistics import fmean, stdev

from .chance import student_tail
from .evidence import Validation

Values = Sequence[float | None]


def defined(value: float | None) -> bool:
    """Whether an item has a score that can be averaged."""
    return value is not None and math.isfinite(value)


def mean(values: Values) -> float:
    """Mean of the defined values; NaN where there is none."""
    kept = [value for value in values if value is not None and math.isfinite(value)]
    return fmean(kept) if kept else math.nan


def gains(better: str, now: Values, then: Values) -> list[float]:
    """How much better each item is `now` than `then`, above 0: better. Undefined ones left out."""
    sign = -1.0 if better == "lower" else 1.0
    return [
        sign * (new - old)
        for new, old in zip(now, then, strict=False)
        if new is not None and old is not None and math.isfinite(new) and math.isfinite(old)
    ]


def surely(differences: Sequence[float], level: float) -> int:
    """Return +1 or -1 if the mean difference is above or below 0, 0 if that cannot be said.

    Wrong with chance `level` when the mean is truly 0: Student's t, both sides together.
    Differences without any spread have an infinite t; then as many fair coins must be that
    unlikely to agree.
    """
    n = len(differences)
    if n < 2:
        return 0
    middle, spread = fmean(differences), stdev(differences)
    if middle == 0:
        return 0
    if spread == 0:
        chance = 2.0 ** (1 - n)
    else:
        chance = 2 * student_tail(abs(middle) / spread * math.sqrt(n), n - 1)
    return 0 if chance > level else (1 if middle > 0 else -1)


def items_of(validation: Validation) -> str:
    """Name of the list of items: as it was given, else by the scores of its trivial outputs.

    Those do not depend on the network, so that other scores mean another list. "" says nothing.
    """
    if validation.items or not validation.trivial:
        return validation.items
    return repr(sorted((name, dict(scores)) for name, scores in validation.trivial.items()))


def comparable(first: Validation, second: Validation) -> bool:
    """Whether item `i` of one may be set against item `i` of the other."""
    return items_of(first) == items_of(second)
