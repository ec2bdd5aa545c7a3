"""WP407: what is trained or chosen by improves while an independent yardstick gets worse.

Signal: Kendall's trend, with its exact chance, of the training loss or the selecting metric, and
of every other metric with a better end, over the run, its last three quarters and its last half. A
series that wanders has trends as well: the yardstick must also have fallen farther than random
moves as large as its to and fro (`chance.turns`) do, and the items must agree (Student's t).
Threshold: the declared budget over validations, yardsticks and windows [S]; not before half of the
plan is spent [P], because a young network may lose here what it has not yet won there.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from ..chance import kendall, student_quantile, turns
from ..evidence import Evidence, Validation
from ..findings import Finding, Severity, Suspect
from ..headway import spent_at
from ..paired import Values, comparable, gains, mean, surely

CODES = ("WP407",)
READS = "validation"
LONGEST = 64
"""Validations that a trend looks back at most, for the cost of its exact chance."""
WINDOWS = 3
"""The whole run, and without its first quarter and half."""


@dataclass(frozen=True)
class _Trend:
    name: str
    chance: float
    values: Sequence[float]


def check(evidence: Evidence) -> Finding | None:
    """Look for a proxy that rises over a window in which a yardstick falls."""
    now = evidence.validations[-1]
    past = [each for each in evidence.validations[-LONGEST:] if comparable(each, now)]
    names = [name for name in now.scores if name in now.better and name != now.select]
    if spent_at(evidence, -1) < 0.5:
        return None
    level = evidence.plan.level(evidence.plan.validations * max(len(names), 1) * WINDOWS)
    for window in (past[len(past) * skipped // 4 :] for skipped in range(WINDOWS)):
        # Fewer values have no order that is that unlikely.
        if 2 / math.factorial(min(len(window), 20)) > level:
            continue
        found = (_worse(past, window, name, level) for name in names)
        worse = next((each for each in found if each is not None), None)
        better = _proxy(window, level) if worse else None
        if worse and better:
            return _finding(window, better, worse)
    return None


def _scores(validation: Validation, name: str) -> Values:
    return validation.scores.get(name, ())


def _worse(
    past: Sequence[Validation], window: Sequence[Validation], name: str, level: float
) -> _Trend | None:
    better = window[-1].better[name]
    whole = [mean(_scores(each, name)) for each in past]
    values = whole[-len(window) :]
    trend, chance = _improves(values, better)
    if trend >= 0 or chance > level:
        return None
    items = gains(better, _scores(window[-1], name), _scores(window[0], name))
    far = abs(values[-1] - values[0]) > _wander(whole, len(window) - 1, level)
    return _Trend(name, chance, values) if far and surely(items, level) < 0 else None


def _wander(values: Sequence[float], moves: int, level: float) -> float:
    """How far so many random moves go with chance `level`, as large as those to and fro."""
    sizes = turns(values)
    if not sizes:
        return 0.0
    size = math.sqrt(fmean([each * each for each in sizes]))
    return student_quantile(1 - level / 2, len(sizes)) * size * math.sqrt(moves)


def _proxy(window: Sequence[Validation], level: float) -> _Trend | None:
    now = window[-1]
    series: list[tuple[str, str, list[float]]] = []
    if now.select in now.better:
        select = now.select or ""
        values = [mean(_scores(each, select)) for each in window]
        series.append((select, now.better[select], values))
    if all(each.losses for each in window):
        values = [sum(each.losses.values()) for each in window]
        series.append(("training loss", "lower", values))
    for name, better, values in series:
        trend, chance = _improves(values, better)
        if trend > 0 and chance <= level:
            return _Trend(name, chance, values)
    return None


def _improves(values: Sequence[float], better: str) -> tuple[int, float]:
    """Kendall's trend towards the better end, and its chance; none if a value is missing."""
    if not all(map(math.isfinite, values)):
        return 0, 1.0
    score, chance = kendall(values)
    return (-score if better == "lower" else score), chance


def _finding(window: Sequence[Validation], better: _Trend, worse: _Trend) -> Finding:
    return Finding(
        "WP407",
        f"{better.name} improves over {len(window)} validations while {worse.name} gets worse",
        Severity.WARN,
        window[-1].step,
        window[0].step,
        {
            "subject": worse.name,
            "proxy": better.name,
            "proxy_first": better.values[0],
            "proxy_last": better.values[-1],
            "chance_of_proxy_trend": better.chance,
            "yardstick": worse.name,
            "yardstick_first": worse.values[0],
            "yardstick_last": worse.values[-1],
            "chance_of_yardstick_trend": worse.chance,
            "validations": len(window),
        },
        (
            Suspect("loss", f"audit it: is a step along it a loss in {worse.name}?"),
            Suspect("too many passes over the data", "score training items: do they improve?"),
            Suspect(worse.name, "look at the items that fell most: is the yardstick right?"),
        ),
        f"put what {worse.name} sees into the loss, or choose the checkpoint by it",
    )
