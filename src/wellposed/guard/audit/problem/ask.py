"""`audit_problem`: everything that can be asked of a problem before money is spent on its run."""

import time
from collections.abc import Collection

import torch

from ..verdict import Answer, Audit, Part, joined
from .questions import Question, all_questions
from .rehearsal import Rehearsal
from .statement import Problem
from .unasked import Unasked


def audit_problem(
    problem: Problem, quick: bool = False, only: Collection[str] | None = None
) -> Audit:
    """Ask the questions about a problem; `quick` leaves out those that take long.

    `only` names the questions to ask, by the files of the folder `questions`. The numbers
    have "seconds_by_question", on the clock and of the processor. Torch's global generator is left
    as it was.

    Raises ValueError: the statement of the problem contradicts itself, or a question is unknown.
    Errors of the problem's own functions pass through.
    """
    if wrong := problem.missing():
        raise ValueError(f"{problem.name}: {'; '.join(wrong)}")
    questions = [each for each in all_questions() if each.quick or not quick]
    if only is not None:
        if unknown := sorted(set(only) - {each.name for each in all_questions()}):
            known = ", ".join(each.name for each in all_questions())
            raise ValueError(f"questions {', '.join(unknown)} are unknown; known: {known}")
        questions = [each for each in all_questions() if each.name in only]
    began = time.process_time()
    rehearsal = Rehearsal(problem, quick)
    parts, spent = [], {}
    with torch.random.fork_rng(devices=[]):
        for each in questions:
            asked = time.perf_counter(), time.process_time()
            parts.append(_asked(each, rehearsal))
            spent[each.name] = {
                "clock": round(time.perf_counter() - asked[0], 2),
                "processor": round(time.process_time() - asked[1], 2),
            }
    answers, numbers = joined(parts)
    numbers["seconds_by_question"] = spent
    return Audit(
        problem.name, _setting(problem, quick), answers, numbers, time.process_time() - began
    )


def _asked(question: Question, rehearsal: Rehearsal) -> Part:
    try:
        return question.ask(rehearsal)
    except Unasked as reason:
        topic = question.name.replace("_", " ")
        return Part([Answer(question.question, f"{topic}: not asked: {reason}", asked=False)])


def _setting(problem: Problem, quick: bool) -> str:
    inputs, labels = (", ".join(names) for names in (problem.inputs, problem.labels))
    asked = "quick questions" if quick else "all questions"
    return f"the problem: {inputs} to {labels}; {asked}, seed {problem.seed}"
