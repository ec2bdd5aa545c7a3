"""The frame of the problem audit: what is asked, what is not, and that nothing is disturbed."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from little_problem import Smoother, error, problem

from wellposed.guard import rule_codes
from wellposed.guard.audit.problem import Rehearsal, audit_problem
from wellposed.guard.audit.problem.questions import all_questions
from wellposed.guard.audit.verdict import QUESTIONS, Answer, Audit


def test_every_question_belongs_to_one_of_the_four_and_its_codes_have_pages():
    for each in all_questions():
        assert each.question in QUESTIONS, each.name
        assert set(each.codes) <= set(rule_codes()), each.name


def test_a_healthy_problem_has_no_finding_and_the_seconds_of_every_question():
    audit = audit_problem(problem())
    assert audit.findings == ()
    assert set(audit.numbers["seconds_by_question"]) == {each.name for each in all_questions()}
    json.loads(audit.to_json())


def test_what_is_not_asked_is_neither_good_nor_bad():
    audit = Audit("a", "b", (Answer("evidence", "x: not asked: no data", asked=False),), {}, 0.0)
    assert "--    x: not asked: no data" in audit.text()
    assert audit.text().endswith("0 FAIL, 0 WARN, 0 ok, 1 not asked")


def test_nothing_of_the_caller_is_disturbed_and_every_answer_repeats():
    state = torch.random.get_rng_state()
    first, second = (audit_problem(problem()) for _ in range(2))
    assert torch.equal(state, torch.random.get_rng_state())
    assert [each.text for each in first.answers] == [each.text for each in second.answers]


def test_a_statement_that_contradicts_itself_is_refused():
    with pytest.raises(ValueError, match="noisy are inputs and labels at once"):
        audit_problem(problem(labels=("noisy", "clean")))
    with pytest.raises(ValueError, match="select is 'sdr', which is none of the yardsticks"):
        audit_problem(problem(select="sdr"))
    with pytest.raises(ValueError, match="wanted 'higher' or 'lower'"):
        audit_problem(problem(yardsticks={"error": (error, "best")}))
    with pytest.raises(ValueError, match="questions everything are unknown; known: "):
        audit_problem(problem(), only=("everything",))


def test_a_rehearsal_gives_the_same_networks_batches_and_steps_whenever_it_is_asked():
    rehearsal = Rehearsal(problem())
    walks = []
    for _ in range(2):
        networks = rehearsal.networks()
        steps = rehearsal.training(networks)
        walks.append([float(next(steps)["square"]) for _ in range(3)])
        torch.rand(3)
    assert walks[0] == walks[1]
    assert walks[0][1] != walks[0][0]
    assert isinstance(networks["model"], Smoother)
    assert networks["model"].training


def test_the_example_of_the_documentation_works_and_is_well_posed():
    page = Path(__file__).parents[2] / "docs" / "audit.md"
    section = page.read_text(encoding="utf-8").partition("## A problem")[2]
    match = re.search(r"```python\n(import torch.*?)```", section, re.DOTALL)
    assert match is not None
    scope: dict[str, Any] = {}
    exec(match.group(1), scope)
    audit = audit_problem(scope["problem"](), quick=True)
    assert audit.findings == ()
    asked = {each.text.partition(":")[0] for each in audit.answers if not each.asked}
    assert {"overfit", "label leak", "future leak", "trivial ranked"}.isdisjoint(asked)
