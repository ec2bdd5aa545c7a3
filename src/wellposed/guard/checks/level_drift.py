"""WP319: the level of the output drifts away from that of the reference.

Signal: the gain of every estimate over its reference [dB] at three validations at equal
distances, the last one now. Threshold: both moves have one sign (Student's t over items at the
declared budget) [S], the levels end on that side of 0 dB [R], and have gone further from 0 than
items differ among each other (one standard deviation) [S] and than random moves would, as large
as those of earlier to and fro (at the declared budget) [S]. A network that begins near its input
leaves 0 dB when it learns to suppress; so a drift is INFO until that is over, and then WARN:
the level had come nearer before by more than items differ, or the networks were surely better than
their input when the drift began [R], or the plan says that they were trained before [P].
"""

import math
from statistics import fmean, stdev

from ..chance import normal_quantile, turns
from ..evidence import Evidence, Validation
from ..findings import Finding, Severity, Suspect
from ..headway import INPUT, level_of, standing
from ..paired import comparable, defined, gains, mean, surely

CODES = ("WP319",)
READS = "validation"


def check(evidence: Evidence) -> Finding | None:
    """Look back by 1, 2, 4, ... validations, and twice as far."""
    past = evidence.validations
    means = [mean(each.levels_db) for each in past]
    level = evidence.plan.level(evidence.plan.validations * len(past).bit_length())
    distance = 1
    while 2 * distance < len(past):
        first, second, now = past[-1 - 2 * distance], past[-1 - distance], past[-1]
        same = comparable(first, now) and comparable(second, now)
        wander = _wander(means, 2 * distance, level)
        if same and _away(first, second, now, level) and _distance(first, now) > wander:
            return _finding(first, second, now, _severity(evidence, means, first))
        distance *= 2
    return None


def _severity(evidence: Evidence, means: list[float], first: Validation) -> Severity:
    now, select = evidence.validations[-1], first.select or ""
    grown = standing(first, select, INPUT, level_of(evidence)) > 0 or evidence.plan.fine_tuning
    return Severity.WARN if grown or _had_come_nearer(means, now) else Severity.INFO


def _had_come_nearer(levels: list[float], now: Validation) -> bool:
    """Whether the level once approached 0 dB by more than items differ."""
    sizes = [abs(level) for level in levels if math.isfinite(level)]
    falls = (max(sizes[: index + 1]) - size for index, size in enumerate(sizes))
    return max(falls, default=0.0) > stdev(_levels(now))


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


def _finding(first: Validation, second: Validation, now: Validation, severity: Severity) -> Finding:
    levels = [mean(each.levels_db) for each in (first, second, now)]
    shown = ", ".join(f"{level:+.2f}" for level in levels)
    return Finding(
        "WP319",
        f"the output's level drifts: {shown} dB at steps "
        f"{first.step}, {second.step} and {now.step}",
        severity,
        now.step,
        first.step,
        {
            "subject": "output",
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
