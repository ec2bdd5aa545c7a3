"""The examiner: each fault once, evidence that survives a checkpoint, checks that have pages."""

import json
import math
from pathlib import Path

import pytest
import torch
from torch import nn

from wellposed.guard import Guard, rule_codes
from wellposed.guard.checks import all_checks
from wellposed.guard.evidence import KEPT, Evidence, Record, Validation
from wellposed.guard.plan import Criterion, Plan


def validation(step: int) -> Validation:
    return Validation(
        step=step,
        scores={"pesq": [1.0, None, math.nan], "gap": [math.inf, 0.0, -math.inf]},
        better={"pesq": "higher"},
        select="pesq",
        trivial={"silence": {"pesq": [None, None, None]}},
        levels_db=[0.1, None, -0.2],
        training=("model",),
    )


def test_evidence_survives_strict_json():
    evidence = Evidence()
    evidence.add("forces", Record(3, {"l1": {"norm": math.inf, "share": 0.25}}))
    evidence.validations.append(validation(3))
    again = Evidence()
    again.load(json.loads(json.dumps(evidence.state(), allow_nan=False)))
    assert again.of("forces")[0] == evidence.of("forces")[0]
    assert repr(again.validations) == repr(evidence.validations)


def test_the_past_is_bounded():
    evidence = Evidence()
    for step in range(KEPT + 10):
        evidence.add("forces", Record(step, {}))
    assert [record.step for record in evidence.of("forces")][:1] == [10]


def test_the_level_of_a_look_shares_the_budget_of_the_run():
    plan = Plan(steps=1000, validate_every=300, false_alarms=0.02)
    assert plan.validations == 4
    assert plan.level(4) == pytest.approx(0.005)
    assert Plan(false_alarms=1.0).level(1) == 0.05


def test_every_code_of_a_check_has_a_page():
    for check in all_checks():
        assert set(check.codes) <= set(rule_codes()), check.name
        assert check.codes, check.name


def test_every_code_of_a_check_is_in_the_table_of_the_documentation():
    table = (Path(__file__).parents[2] / "docs" / "guard.md").read_text()
    for check in all_checks():
        for code in check.codes:
            assert code in table, code


def test_a_criterion_may_have_one_end():
    assert Criterion("pesq", low=2.2).high == math.inf


def train(guard: Guard, model: nn.Module, steps: range) -> None:
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    for step in steps:
        optimizer.zero_grad()
        loss = model(torch.ones(2, 3)).square().mean()
        loss.backward()
        if guard.step(step, {"l2": loss}):
            optimizer.step()


def test_a_state_goes_through_json_and_back():
    model = nn.Linear(3, 1)
    guard = Guard(model, torch.optim.SGD(model.parameters(), 0.1), veto=True, look_every=4)
    train(guard, model, range(20))
    guard.validate(20, {"pesq": [1.0, 2.0]}, better={"pesq": "higher"}, training=())
    state = guard.state_dict()
    other = Guard(model, torch.optim.SGD(model.parameters(), 0.1), veto=True, look_every=4)
    examiner = json.loads(json.dumps(state["examiner"], allow_nan=False))
    other.load_state_dict({**state, "examiner": examiner})
    assert repr(other.state_dict()["examiner"]) == repr(state["examiner"])


def test_a_guard_that_never_looks_is_refused():
    model = nn.Linear(3, 1)
    with pytest.raises(ValueError, match="read_every"):
        Guard(model, read_every=0)
    with pytest.raises(ValueError, match="look_every"):
        Guard(model, look_every=0)
