"""WP407: the training loss improves while a validated score gets worse.

Signal: Kendall's trend, with its exact chance, of the loss (its mean since the validation before)
and of every score, over the whole log, its later half, and what came after the best score.
Threshold: the run's budget over scores and windows [S]. Curves that wander have trends as well, so
the slope of a line must pass it too, with neighbours that resemble each other counted as fewer;
the score must have lost more than two validations of one checkpoint differ (1.96 sqrt(2) times
the noise, as in WP404); and all that it ended with must be worse than anything since it first got
there.
"""

import math
import statistics

from wellposed.doctor.judged import Judged
from wellposed.doctor.meaning import BETTER, Meaning
from wellposed.doctor.run import Run
from wellposed.doctor.series import Series
from wellposed.doctor.trends import blocks, line, noise, trend
from wellposed.guard.findings import Finding, Severity, Suspect

QUESTION = "does the loss improve while validation gets worse?"
CODES = ("WP407",)
LEAST = 6
"""Values of which two orders in 720 are as clear as the budget of 0.01 asks."""


def judge(run: Run) -> Judged:
    """Look for a loss that falls over a window in which a score gets worse."""
    losses = [each.finite for each in run.of(Meaning.LOSS)]
    scores = [each.finite for each in run.of(*BETTER)]
    scores = [each for each in scores if len(each) >= LEAST]
    if not losses or not len(losses[0]) or not scores:
        what = f"{LEAST} validations" if losses else "the training loss"
        return Judged(missing=f"{what} in the same log")
    level = run.plan.level(3 * len(scores))
    for score in scores:
        for start in _windows(score):
            window = score.where([index >= start for index in range(len(score))])
            proxy = _at(losses[0], window)
            if proxy and _new_low(score, start) and _apart(window, proxy, level):
                return Judged((_finding(run, losses[0], window, proxy),))
    return Judged()


def _windows(score: Series) -> list[int]:
    """Where to begin: at the start, in the middle, after the best."""
    n = len(score)
    best = max(range(n), key=lambda index: score.y[index] * score.better)
    return [start for start in (0, n // 2, best + 1) if n - start >= LEAST]


def _new_low(score: Series, start: int) -> bool:
    """Whether a window's last third is worse than all before since that level was reached."""
    values = [value * score.better for value in score.y]
    level = max(values[-((len(values) - start) // 3) :])
    before = values[:start]
    reached = next((index for index, value in enumerate(before) if value > level), start)
    return all(value > level for value in before[reached:])


def _at(loss: Series, score: Series) -> list[float]:
    """Mean loss since the validation before, for each; empty where one has none."""
    means, index = [], 0
    for x in score.x:
        first = index
        while index < len(loss) and loss.x[index] <= x:
            index += 1
        if first == index:
            return []
        means.append(statistics.fmean(loss.y[first:index]))
    return means


def _apart(score: Series, proxy: list[float], level: float) -> bool:
    direction, chance = trend(score.y)
    fall, fall_chance = trend(proxy)
    if direction * score.better >= 0 or fall >= 0 or max(chance, fall_chance) >= level:
        return False
    ends = blocks(score.y, 3)
    lost = abs(ends[-1] - ends[0]) > 1.96 * math.sqrt(2) * noise(score.y)
    return lost and line(score.x, score.y).p < level


def _finding(run: Run, loss: Series, score: Series, proxy: list[float]) -> Finding:
    return Finding(
        "WP407",
        f"{loss.name} falls from {run.axis} {score.x[0]:.10g} to {score.x[-1]:.10g} while "
        f"{score.name} gets worse, from {score.said(score.y[0])} to {score.said(score.y[-1])}",
        Severity.WARN,
        int(score.x[-1]),
        int(score.x[0]),
        {
            "subject": score.name,
            "score_first": score.y[0],
            "score_last": score.y[-1],
            "chance_of_its_trend": trend(score.y)[1],
            "loss_first": proxy[0],
            "loss_last": proxy[-1],
            "validations": len(score),
        },
        (
            Suspect("too many passes over the data", "score training items: do they improve?"),
            Suspect("the loss", "does one step along it make this score worse on one batch?"),
        ),
        "keep the checkpoint of before; put what the score sees into the loss, or train on more",
    )
