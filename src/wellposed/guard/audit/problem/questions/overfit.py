"""Can a handful of items be learned by heart, as the yardsticks see it?

Signal: training on a few items again and again, with the planned optimizer at its peak rate. The
loss is not asked: every bad loss falls. Threshold R (reference points with meaning): on every one
of the items the selecting yardstick, or the one stated for this, must become better than at the
start and than every trivial output. A loss that falls while it does not is named.

The yardstick goes to and fro before it rises. So a quick question ends early where it is better
than at the start, and else goes on to the end: what it condemns has had all the steps.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from statistics import fmean

import torch
from torch import nn

from ....findings import Severity
from ....paired import gains, mean
from ...verdict import Answer, Part, bad
from ..rehearsal import Rehearsal
from ..statement import REFERENCE, Batch
from ..unasked import Unasked

QUESTION = "existence"
CODES = ("WP123", "WP407")
QUICK = True
ITEMS = 2
STEPS, QUICKLY = 400, 40
"""Most steps that are taken; and those after which a quick question ends, if the yardstick has
risen. After 40 steps of enhance (tiny, recordings, seeds 0 to 3) the mean over both items was below
that of the start with two seeds of four, after 100 steps with none."""
LOOK = 20
"""Steps between looks at the yardstick: it ends at success."""

Scores = dict[str, list[float | None]]


@dataclass
class Course:
    """What training on a few items did."""

    start: Scores
    end: Scores
    rivals: Scores
    """Of the selecting yardstick, by trivial output."""
    losses: list[float]
    reached: bool = False

    def fell(self) -> bool:
        """Whether the mean loss of the last tenth of the steps is below the first one."""
        tail = self.losses[-max(1, len(self.losses) // 10) :]
        return fmean(tail) < self.losses[0]


def ask(rehearsal: Rehearsal) -> Part:
    """Train until the yardstick says that it is learned, or the steps are spent."""
    problem = rehearsal.problem
    select = problem.learned_by or problem.select or next(iter(problem.yardsticks), None)
    if select is None:
        raise Unasked("no yardsticks are given, and a loss cannot judge itself")
    course = _train(rehearsal, select, _items(rehearsal, select))
    better = problem.yardsticks[select][1]
    start, end = mean(course.start[select]), mean(course.end[select])
    steps, (first, last) = len(course.losses), (course.losses[0], course.losses[-1])
    told = f"{select} went from {start:.3g} to {end:.3g} in {steps} steps on {ITEMS} items"
    numbers = {"overfit_steps": steps, "overfit_from": start, "overfit_to": end}
    answers = list(_worse(rehearsal, course, select))
    if course.reached:
        best = _best(better, course.rivals)
        above = f", above {best} at {mean(course.rivals[best]):.3g}" if best else ""
        answers.append(Answer(QUESTION, told + above))
    elif not course.fell():
        why = f"the loss of {ITEMS} items does not fall in {steps} steps: {first:.3g} to {last:.3g}"
        answers.append(_finding("WP123", Severity.FAIL, why, course, select))
    elif not _rises(better, course.end[select], course.start[select]):
        why = f"the loss falls from {first:.3g} to {last:.3g}, but {told}"
        answers.append(_finding("WP407", Severity.FAIL, why, course, select))
    elif steps < STEPS:
        answers.append(Answer(QUESTION, f"{told}; whether it gets there is no quick question"))
    else:
        best = _best(better, course.rivals) or "the start"
        why = f"{told}, not above {best} on every item"
        answers.append(_finding("WP123", Severity.WARN, why, course, select))
    return Part(answers, numbers)


def _items(rehearsal: Rehearsal, select: str) -> Batch:
    """The first items whose reference has a score, where that can be known."""
    batch, trivial = rehearsal.batch(0), rehearsal.problem.trivial
    count = len(next(iter(batch.values())))
    chosen = list(range(count))
    if trivial is not None and REFERENCE in (outputs := trivial(batch)):
        scores = rehearsal.scores(select, outputs[REFERENCE], batch)
        chosen = [number for number in chosen if scores[number] is not None] or chosen
    return {name: each[torch.tensor(chosen[:ITEMS])] for name, each in batch.items()}


def _train(rehearsal: Rehearsal, select: str, batch: Batch) -> Course:
    problem = rehearsal.problem
    trivial = problem.trivial(batch) if problem.trivial else {}
    rivals = {
        name: rehearsal.scores(select, estimate, batch)
        for name, estimate in trivial.items()
        if name != REFERENCE
    }
    networks = rehearsal.networks()
    start = _scores(rehearsal, networks, batch, list(problem.yardsticks))
    course = Course(start, start, rivals, [])
    better = problem.yardsticks[select][1]
    for count, terms in enumerate(rehearsal.training(networks, lambda step: batch)):
        enough = count == STEPS
        if count and count % LOOK == 0:
            now = _scores(rehearsal, networks, batch, [select])[select]
            course.reached = _above(better, now, [start[select], *rivals.values()])
            well = course.fell() and _rises(better, now, start[select])
            enough |= course.reached or (rehearsal.quick and well and count >= QUICKLY)
        if enough:
            break
        course.losses.append(float(torch.stack(list(terms.values())).sum()))
    course.end = _scores(rehearsal, networks, batch, list(problem.yardsticks))
    return course


def _scores(
    rehearsal: Rehearsal, networks: Mapping[str, nn.Module], batch: Batch, names: list[str]
) -> Scores:
    estimates = rehearsal.estimates(networks, batch)
    return {name: rehearsal.scores(name, estimates, batch) for name in names}


def _above(better: str, now: list[float | None], others: list[list[float | None]]) -> bool:
    """Whether every item has a score, and one that is better than all others that it has."""
    if any(each is None for each in now):
        return False
    return all(gain > 0 for other in others for gain in gains(better, now, other))


def _rises(better: str, now: list[float | None], then: list[float | None]) -> bool:
    """Whether the items have become better on the mean."""
    gained = gains(better, now, then)
    return bool(gained) and fmean(gained) > 0


def _best(better: str, rivals: Scores) -> str:
    scored = [name for name, each in rivals.items() if any(value is not None for value in each)]
    sign = 1.0 if better == "higher" else -1.0
    return max(scored, key=lambda name: sign * mean(rivals[name]), default="")


def _worse(rehearsal: Rehearsal, course: Course, select: str) -> list[Answer]:
    """Yardsticks beside the selecting one that got worse on every item.

    After a course that ended early, or a quick one, they may still be on their way: INFO.
    """
    severity = Severity.WARN if len(course.losses) >= STEPS else Severity.INFO
    found = []
    for name, (_, better) in rehearsal.problem.yardsticks.items():
        lost = gains(better, course.start[name], course.end[name])
        if name != select and lost and all(each > 0 for each in lost) and course.fell():
            start, end = mean(course.start[name]), mean(course.end[name])
            why = f"the loss of {ITEMS} items falls while {name} goes from {start:.3g} to {end:.3g}"
            found.append(_finding("WP407", severity, why, course, name))
    return found


def _finding(code: str, severity: Severity, title: str, course: Course, name: str) -> Answer:
    return bad(
        QUESTION,
        code,
        severity,
        title,
        {
            "subject": name,
            "steps": len(course.losses),
            "loss_first": course.losses[0],
            "loss_last": course.losses[-1],
            "start": mean(course.start[name]),
            "end": mean(course.end[name]),
            **{f"score_of_{rival}": mean(each) for rival, each in course.rivals.items()},
        },
        suspects=(
            ("the loss", "audit it alone: is anything else than the reference as cheap?"),
            ("the rate", "ten times of it and a tenth: the loss falls faster"),
            ("the networks", "are all inputs and parts connected? see the other answers"),
        ),
        advice="do not train on all data what cannot learn a handful of items",
    )
