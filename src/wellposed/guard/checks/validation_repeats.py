"""WP403: a validation does not repeat.

Signal: the first items measured twice; or two validations of the same list with the same weights.
Threshold: equal bits [E]. A difference below the square root of float32's epsilon, relative to
the largest score of the metric, is what another order of summation can make [U]: worth knowing,
no more. That root is half of the digits; what keeps the other half is no random draw.
"""

import math
from collections.abc import Iterator

from ..evidence import Evidence, Scores, Validation
from ..findings import Finding, Severity, Suspect

CODES = ("WP403",)
READS = "validation"
ROUNDING = 2.0**-11.5
"""Square root of the epsilon of float32, 2^-23."""

Difference = tuple[float, str, int, float, float]


def check(evidence: Evidence) -> Finding | None:
    """Compare what should be equal, bit by bit."""
    now = evidence.validations[-1]
    found = list(_between(now.again, now.scores))
    if found:
        return _finding(now, found, "when measured again at once")
    for before in reversed(evidence.validations[:-1]):
        same = (before.items, before.weights) == (now.items, now.weights)
        if same and now.items and now.weights:
            found = list(_between(before.scores, now.scores))
            if found:
                return _finding(now, found, f"of the same weights at step {before.step}")
            return None
    return None


def _between(first: Scores, second: Scores) -> Iterator[Difference]:
    """Items that differ: how much relative to the metric, which metric and item, both scores."""
    for metric in first.keys() & second.keys():
        finite = [abs(each) for each in second[metric] if each is not None and math.isfinite(each)]
        largest = max(finite, default=0.0)
        for item, (one, two) in enumerate(zip(first[metric], second[metric], strict=False)):
            if not _same(one, two):
                yield _distance(one, two, largest), metric, item, _number(one), _number(two)


def _same(one: float | None, two: float | None) -> bool:
    if one is None or two is None:
        return one is two
    return one == two or (math.isnan(one) and math.isnan(two))


def _distance(one: float | None, two: float | None, largest: float) -> float:
    if one is None or two is None or not (math.isfinite(one) and math.isfinite(two)):
        return math.inf
    return abs(one - two) / largest if largest else math.inf


def _number(value: float | None) -> float:
    return math.nan if value is None else value


def _finding(now: Validation, found: list[Difference], how: str) -> Finding:
    size, metric, item, one, two = max(found)
    rounding = size < ROUNDING
    suspects = [Suspect("draws", "seed before each item, or look for a shared generator")]
    if now.training:
        mode = Suspect(f"training mode of {', '.join(now.training)}", "call eval() and repeat")
        suspects.insert(0, mode)
    suspects.append(Suspect("device", "repeat on the CPU with deterministic algorithms"))
    return Finding(
        "WP403",
        f"{metric} of item {item} was {one:.6g}, then {two:.6g}, {how}"
        + (": no more than rounding" if rounding else ""),
        Severity.INFO if rounding else Severity.FAIL,
        now.step,
        now.step,
        {
            "subject": "rounding" if rounding else "draws",
            "metric": metric,
            "item": item,
            "one": one,
            "two": two,
            "relative_difference": size,
            "differing_scores": len(found),
        },
        tuple(suspects),
        "no score can be compared until it repeats: eval mode, items by number, no random draws",
    )
