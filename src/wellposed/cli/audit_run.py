"""All that is asked of a run before it begins: problem, corpus, resume; and what it will cost."""

import sys
from typing import Any, NamedTuple

import torch

from wellposed.cli.audit_corpus import corpus_part
from wellposed.engine.planning.measuring import plan_run
from wellposed.engine.problem import problem_of
from wellposed.engine.rehearsal.resumption import resume_part
from wellposed.engine.system import System
from wellposed.errors import RunError
from wellposed.guard.audit import Audit, merged
from wellposed.guard.audit.problem import audit_problem
from wellposed.guard.audit.verdict import Answer, Part
from wellposed.guard.findings import Severity

QUICK_STEPS = 6
"""Steps that the plan of a quick audit measures."""


class Pages(NamedTuple):
    """An audit as text for people and as JSON for the run folder."""

    text: str
    json: str
    worst: Severity | None


def audit_run(system: System[Any], device: torch.device, *, quick: bool) -> Audit:
    """Ask everything, or what takes less than a minute; the plan is among the numbers.

    The system is left as it is: another one with the same recipe is asked.
    """
    problem = audit_problem(problem_of(system.with_recipe(system.recipe)), quick)
    return merged(system.name, [problem, beside_problem(system, device, quick=quick)])


def beside_problem(system: System[Any], device: torch.device, *, quick: bool) -> Audit:
    """Ask what needs files, processes or a clock: corpus, resume, and what the run will cost."""
    recipe = system.recipe
    parts = [corpus_part(recipe.data, quick=quick), _resume(system, quick=quick)]
    other = system.with_recipe(recipe)
    plan = plan_run(lambda: other, device, steps=QUICK_STEPS if quick else 2 * QUICK_STEPS)
    numbers: dict[str, Any] = {"plan": plan.record()}
    for part in parts:
        numbers |= part.numbers
    answers = tuple(answer for part in parts for answer in part.answers)
    return Audit(system.name, plan.short(), answers, numbers, 0.0)


def before_run(system: System[Any], device: torch.device) -> Pages | None:
    """The quick audit, if the system says enough about itself; what is printed says so."""
    if not system.inputs:
        print(f"audit: not asked: {system.name} does not say what its inputs are", file=sys.stderr)
        return None
    made = audit_run(system, device, quick=True)
    return Pages(made.text(), made.to_json(), made.worst)


def refuse(pages: Pages) -> None:
    """Raise RunError if an answer is FAIL."""
    if pages.worst == Severity.FAIL:
        raise RunError(
            "the audit has a FAIL, see above: the run is not begun. Mend what it names, or go on "
            "with --audit-anyway; --no-audit asks nothing."
        )


def _resume(system: System[Any], *, quick: bool) -> Part:
    if quick:
        text = "resume: not asked: takes three processes; `wellposed audit SYSTEM` asks"
        return Part([Answer("stability", text, asked=False)])
    return resume_part(type(system), system.recipe)
