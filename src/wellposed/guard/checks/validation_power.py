"""WP404: a validation cannot resolve the differences that choose the best checkpoint.

Signal: two standard errors of the difference between the new best and the one before, item by
item where the list is the same, of two fresh samples where it is not. Threshold: the gain that is
claimed, or the smallest that the plan says counts [S, P]; a list that changes is known exactly,
by its name or by the scores of its trivial outputs [E].
"""

import math
from itertools import pairwise
from statistics import stdev

from ..chance import expected_best
from ..evidence import Evidence, Validation
from ..findings import Finding, Severity, Suspect
from ..paired import comparable, defined, gains, mean

CODES = ("WP404",)
READS = "validation"


def check(evidence: Evidence) -> Finding | None:
    """Judge what the newest validation claims over the best one before."""
    now = evidence.validations[-1]
    best = _best(evidence.validations[:-1], now)
    own = _scored(now, now.select)
    if best is None or len(own) < 2:
        return None
    then = _scored(best, now.select)
    sign = -1.0 if now.better[now.select or ""] == "lower" else 1.0
    claimed = sign * (sum(own) / len(own) - sum(then) / len(then))
    paired = comparable(best, now)
    seen = resolution_paired(now, best) if paired else resolution_fresh(own, then)
    missed = 0 < now.minimum_gain < seen
    if not missed and not now.minimum_gain < claimed < seen:
        return None
    changes = sum(not comparable(a, b) for a, b in pairwise(evidence.validations))
    # One change may be meant (other scenes after a resume); two are no list at all.
    severity = Severity.WARN if not paired and changes > 1 else Severity.INFO
    facts = _facts(evidence, own, seen, claimed, paired)
    return _finding(now, facts, severity, now.minimum_gain if missed else claimed)


def resolution(spread: float, items: int, correlation: float) -> float:
    """Two standard errors of the difference of two means over `items` scores each.

    `spread` is the standard deviation between items, `correlation` that of an item's two scores;
    0 for fresh items.
    """
    return 2 * spread * math.sqrt(2 * (1 - correlation) / items)


def items_needed(spread: float, gain: float, correlation: float) -> int:
    """Items at which `resolution` has come down to `gain`."""
    return math.ceil(8 * (1 - correlation) * (spread / gain) ** 2)


def resolution_paired(now: Validation, then: Validation) -> float:
    """Two standard errors of the mean difference of the selecting metric, item by item."""
    select = now.select or ""
    differences = gains(now.better[select], now.scores[select], then.scores[select])
    if len(differences) < 2:
        return math.inf
    return 2 * stdev(differences) / math.sqrt(len(differences))


def resolution_fresh(now: list[float], then: list[float]) -> float:
    """Two standard errors of the difference of the means of two fresh lists."""
    if min(len(now), len(then)) < 2:
        return math.inf
    return 2 * math.sqrt(stdev(now) ** 2 / len(now) + stdev(then) ** 2 / len(then))


def _scored(validation: Validation, metric: str | None) -> list[float]:
    scores = validation.scores.get(metric or "", ())
    return [score for score in scores if score is not None and defined(score)]


def _best(past: list[Validation], now: Validation) -> Validation | None:
    select = now.select or ""
    known = [each for each in past if _scored(each, select)]
    if select not in now.better or not known:
        return None
    sign = -1.0 if now.better[select] == "lower" else 1.0
    return max(known, key=lambda each: sign * mean(each.scores[select]))


def _facts(
    evidence: Evidence, own: list[float], seen: float, claimed: float, paired: bool
) -> dict[str, float | int | str]:
    spread, items = stdev(own), len(own)
    facts: dict[str, float | int | str] = {
        "claimed": claimed,
        "resolution": seen,
        "items": items,
        "spread_between_items": spread,
        "list": "the same" if paired else "another each time",
    }
    counts = max(claimed, evidence.validations[-1].minimum_gain)
    if counts > 0 and math.isfinite(seen):
        facts["items_needed"] = math.ceil(items * (seen / counts) ** 2)
    if not paired:
        luck = expected_best(evidence.plan.validations) * spread / math.sqrt(items)
        facts[f"gain_of_the_best_of_{evidence.plan.validations}_by_luck"] = luck
    return facts


def _finding(
    now: Validation, facts: dict[str, float | int | str], severity: Severity, gain: float
) -> Finding:
    how = "of the same list" if facts["list"] == "the same" else "of a list that changes"
    return Finding(
        "WP404",
        f"a gain of {gain:.3g} in {now.select} counts, but {facts['items']} items {how} "
        f"resolve {facts['resolution']:.3g}",
        severity,
        now.step,
        now.step,
        {"subject": how.removeprefix("of "), "metric": now.select or "", **facts},
        (
            Suspect("too few items", "score both checkpoints on `items_needed` items"),
            Suspect("list", "score one checkpoint on two lists: how far apart are the means?"),
        ),
        "measure the same items each time, compare them item by item, and count no gain below "
        "the resolution: neither as the best nor against patience",
    )
