"""WP319: the level of the output drifts away from that of the reference.

Signal: the gain of every estimate over its reference [dB] at three validations at equal
distances, the last one now. Threshold: both moves have one sign (Student's t over items at the
declared budget) [S], the levels end on that side of 0 dB [R], and have gone further from 0 than
items differ among each other (one standard deviation) [S] and than random moves would, as large
as those of earlier to and fro (at the declared budget) [S]. An approach to 0 dB is no drift.
"""

import math
from statistics import fmean, stdev

from ..chance import normal_quantile, turns
from ..evidence import Evidence, Validation
from ..findings import Finding, Severity, Suspect
from ..paired import comparable, defined, gains, mean, surely

CODES = ("WP319",)
READS = "validation"


def check(evidence: Evidence) -> Finding | None:
    """Look back by 1, 2, 4, ... validations, and twice as far."""
    past = evidence.validations
    means = [mean(each.levels_db) for each in past]
    looks = len(past).bit_length()
    level = evidence.plan.level(evidence.plan.validations * looks)
    distance = 1
    while 2 * distance < len(past):
        first, second, now = past[-1 - 2 * distance], past[-1 - distance], past[-1]
        same = comparable(first, now) and comparable(second, now)
        wander = _wander(means, 2 * distance, level)
        if same and _away(first, second, now, level) and _distance(first, now) > wander:
            return _finding(first, second, now)
        distance *= 2
    return None


def _away(first: Validation, second: Validation, now: Validation, level: float) -> bool:
    direction = surely(_moves(second, now), level)
    if direction == 0 or direction != surely(_moves(first, second), level):
        return False
    ended = _levels(now)
    return surely(ended, level) == direction and _distance(first, now) > stdev(ended)


def _distance(first: Validation, now: Validation) -> float:
    return abs(mean(now.levels_db)) - abs(mean(first.levels_db))


def _wander(levels: list[float], moves: int, level: float) -> float:
    """How far `moves` random moves go with that chance; the last turn may begin the drift."""
    sizes = turns(levels)[:-1]
    if not sizes:
        return 0.0
    size = math.sqrt(fmean([each * each for each in sizes]))
    return normal_quantile(1 - level / 2) * size * math.sqrt(moves)


def _levels(validation: Validation) -> list[float]:
    return [value for value in validation.levels_db if value is not None and defined(value)]


def _moves(then: Validation, now: Validation) -> list[float]:
    return gains("higher", now.levels_db, then.levels_db)


def _finding(first: Validation, second: Validation, now: Validation) -> Finding:
    levels = [mean(each.levels_db) for each in (first, second, now)]
    shown = ", ".join(f"{level:+.2f}" for level in levels)
    return Finding(
        "WP319",
        f"the output's level drifts: {shown} dB at steps "
        f"{first.step}, {second.step} and {now.step}",
        Severity.WARN,
        now.step,
        first.step,
        {
            "level_db": levels[2],
            "level_before_db": levels[1],
            "level_at_first_db": levels[0],
            "gain": 10 ** (levels[2] / 20),
            "spread_between_items_db": stdev(_levels(now)),
            "items": len(_levels(now)),
        },
        (
            Suspect("loss", "replay with a term for the level: does the drift end?"),
            Suspect("a term that pays for quiet", "drop one term at a time over the same steps"),
        ),
        "give the loss a term that sees the level; scale-free losses leave it to chance",
    )
