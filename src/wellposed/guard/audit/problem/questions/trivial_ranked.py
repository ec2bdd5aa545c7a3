"""Does the metric that selects know what nothing is worth?

Signal: its scores of silence, a constant and the input on the validation scenes, beside those of
the references themselves. Threshold R: no trivial output may score as high as the reference; S:
an empty output must not surely (Student's t over scenes) be worth more than the input as it is.
"""

import math
from statistics import fmean

from ....chance import mean_interval
from ....findings import Severity
from ....headway import INPUT
from ....paired import gains, mean, surely
from ...verdict import Answer, Part, bad
from ..rehearsal import Rehearsal
from ..statement import REFERENCE
from ..unasked import Unasked

QUESTION = "uniqueness"
CODES = ("WP402",)
QUICK = True
SCENES = 32
"""Scenes that are scored, eight of them when asked quickly: a metric that pays for silence pays
on every scene."""

Scores = dict[str, list[float | None]]


def ask(rehearsal: Rehearsal) -> Part:
    """Rank the trivial outputs on the validation scenes."""
    problem = rehearsal.problem
    if problem.select is None:
        raise Unasked("no yardstick is named that selects")
    if problem.trivial is None or not len(problem.validation):
        raise Unasked("no trivial outputs or no validation scenes are given")
    scores, scenes = _scores(rehearsal), len(problem.validation)
    if REFERENCE not in scores or not any(each is not None for each in scores[REFERENCE]):
        raise Unasked("the reference itself is not among the trivial outputs, or has no score")
    better = problem.yardsticks[problem.select][1]
    rivals = [name for name in scores if name != REFERENCE]
    means = {name: mean(each) for name, each in scores.items()}
    numbers = {"trivial_scores": {problem.select: means}, "validation_scenes": scenes}
    answers = []
    for name in rivals:
        lead = gains(better, scores[name], scores[REFERENCE])
        above = sum(each > 0 for each in lead)
        even = bool(lead) and all(each >= 0 for each in lead)
        # Where nothing is to be done the input is the reference: only empty outputs err by a scene.
        if even or (above and (name != INPUT or fmean(lead) >= 0)):
            text = f"{problem.select} scores {name} as high as the reference on "
            level = Severity.FAIL if even or fmean(lead) >= 0 else Severity.WARN
            count = sum(each >= 0 for each in lead)
            answers.append(_finding(name, f"{text}{count} of {len(lead)} scenes", level, means))
    if not answers:
        answers = _above_the_input(problem.select, better, scores, means)
    return Part(answers or [_good(problem.select, better, rivals, means)], numbers)


def _scores(rehearsal: Rehearsal) -> Scores:
    problem = rehearsal.problem
    # `ask` is silent where either is not given.
    assert problem.trivial is not None
    assert problem.select is not None
    scores: Scores = {}
    for number in range(min(len(problem.validation), 8 if rehearsal.quick else SCENES)):
        batch = problem.validation[number]
        for name, estimate in problem.trivial(batch).items():
            scores.setdefault(name, []).extend(rehearsal.scores(problem.select, estimate, batch))
    return scores


def _above_the_input(
    select: str, better: str, scores: Scores, means: dict[str, float]
) -> list[Answer]:
    found = []
    for name in scores:
        if name in (REFERENCE, INPUT) or INPUT not in scores:
            continue
        lead = gains(better, scores[name], scores[INPUT])
        if surely(lead, 0.01) > 0:
            gap = mean_interval(lead, 0.01)
            text = f"{select} prefers {name} to the input as it is, by {gap.mean:.3g} on average"
            found.append(_finding(name, text, Severity.WARN, means))
    return found


def _finding(name: str, title: str, severity: Severity, means: dict[str, float]) -> Answer:
    facts = {f"score_of_{each}": value for each, value in means.items() if math.isfinite(value)}
    return bad(
        QUESTION,
        "WP402",
        severity,
        title,
        {"subject": name, **facts},
        suspects=(("the metric", "score a very good and a very bad estimate by it"),),
        advice=f"leave {name} without a score, or choose by a metric that knows its place",
    )


def _good(select: str, better: str, rivals: list[str], means: dict[str, float]) -> Answer:
    scored = [name for name in rivals if not math.isnan(means[name])]
    unscored = [name for name in rivals if math.isnan(means[name])]
    order = sorted(scored, key=lambda name: means[name], reverse=better == "higher")
    listed = ", ".join(f"{name} {means[name]:.3g}" for name in [REFERENCE, *order])
    text = f"{select} ranks the reference above every trivial output: {listed}"
    return Answer(QUESTION, text + (f"; no score: {', '.join(unscored)}" if unscored else ""))
