"""How the networks stand against an output that needs none, and whether they will pass it."""

from dataclasses import replace

from .evidence import Evidence, Validation
from .paired import comparable, defined, gains, surely

REFERENCE = "reference"
"""The name under which the scores of a perfect output are given: no rival, but a yardstick."""
INPUT = "input"
"""What the network was given, handed on as it is: the only rival that is not an empty output."""


def rivals(validation: Validation) -> list[tuple[str, str]]:
    """Metric and trivial output of every possible comparison, the selecting metric first."""
    found = [
        (metric, name)
        for name, scores in validation.trivial.items()
        for metric in scores
        if name != REFERENCE and metric in validation.scores and metric in validation.better
    ]
    return sorted(found, key=lambda pair: pair[0] != validation.select)


def level_of(evidence: Evidence) -> float:
    """Chance of error of one comparison, so that all of a run keep the budget."""
    pairs = len(rivals(evidence.validations[-1]))
    return evidence.plan.level(evidence.plan.validations * pairs)


def deficit(validation: Validation, metric: str, trivial: str) -> list[float]:
    """How much better than the trivial output each item is; below 0 it is worse."""
    rival = validation.trivial.get(trivial, {}).get(metric, ())
    return gains(validation.better[metric], validation.scores.get(metric, ()), rival)


def standing(validation: Validation, metric: str, trivial: str, level: float) -> int:
    """Return +1 or -1 if the networks are surely better or worse than the trivial output, else 0.

    Worse is also an output that has no score on any item where the trivial one has.
    """
    if metric not in validation.better or metric not in validation.scores:
        return 0
    if _silent(validation, metric, trivial):
        return -1
    return surely(deficit(validation, metric, trivial), level)


def contradicted(validation: Validation, metric: str, trivial: str, level: float) -> str:
    """Name another metric by which the networks are surely better, or ""."""
    for other, name in rivals(validation):
        if name == trivial and other != metric and standing(validation, other, name, level) > 0:
            return other
    return ""


def outlook(evidence: Evidence, metric: str, trivial: str, level: float) -> str:
    """Say what to think of networks that may be worse than a trivial output.

    "still": not surely better, and no weight has changed since the validation before. Of what is
    surely worse: "end": the plan has ended. "fell": it was surely better before. "stuck": half of
    what the learning rate will move lies behind, and if each item went on as it has gone lately,
    they would be surely worse at the end. "early": none of these. "unproven": neither better nor
    worse when the plan has ended. "": nothing to think of.
    """
    *past, now = evidence.validations
    stand, ended = standing(now, metric, trivial, level), evidence.plan.ends_at(now.step)
    if stand > 0 or (stand == 0 and not deficit(now, metric, trivial)):
        return ""
    if stand < 0 and ended:
        return "end"
    if past and _unchanged(past[-1], now):
        return "still"
    if stand == 0:
        return "unproven" if ended else ""
    if any(standing(each, metric, trivial, level) > 0 for each in past):
        return "fell"
    return "stuck" if _hopeless(evidence, metric, trivial, level) else "early"


def _unchanged(before: Validation, now: Validation) -> bool:
    same = bool(now.weights) and before.weights == now.weights
    return same and before.step < now.step and comparable(before, now)


def _silent(validation: Validation, metric: str, trivial: str) -> bool:
    rival = validation.trivial.get(trivial, {}).get(metric, ())
    scored = [own for own, other in zip(validation.scores[metric], rival, strict=False)
              if defined(other)]  # fmt: skip
    return len(scored) > 1 and not any(map(defined, scored))


def _hopeless(evidence: Evidence, metric: str, trivial: str, level: float) -> bool:
    """Whether straight lines through each item end surely below, half of the plan being spent.

    One line since half of what is spent, one since three quarters: a late start is no failure.
    """
    now = evidence.validations[-1]
    *marks, mark = (spent_at(evidence, index) for index in range(len(evidence.validations)))
    for share in (0.5, 0.75):
        index = sum(each <= mark * share for each in marks) - 1
        if mark < 0.5 or index < 0:
            return False
        then = evidence.validations[index]
        ahead = (1 - mark) / (mark - marks[index])
        old = then.scores.get(metric, ())
        scores = [
            None if a is None or b is None else b + ahead * (b - a)
            for a, b in zip(old, now.scores[metric], strict=False)
        ]
        end = replace(now, scores={metric: scores})
        if not comparable(then, now) or standing(end, metric, trivial, level) >= 0:
            return False
    return True


def spent_at(evidence: Evidence, index: int) -> float:
    """Share of the planned sum of learning rates that lies behind validation `index`.

    Without a plan the share of `Plan.validations`, which supposes a number.
    """
    share = evidence.plan.spent(evidence.validations[index].step)
    number = index % len(evidence.validations) + 1
    return min(number / evidence.plan.validations, 1.0) if share is None else share
