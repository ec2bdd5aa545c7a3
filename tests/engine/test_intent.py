"""A recipe as the guard's plan."""

import math
from pathlib import Path

import pytest
from toy import recipe

from wellposed.engine.intent import plan_of
from wellposed.engine.recipe import dump, load
from wellposed.engine.schedule import rate_factor
from wellposed.engine.sections import Promise
from wellposed.guard.plan import Criterion


def test_a_plan_says_what_the_recipe_intends():
    made = recipe(
        training={"steps": 90},
        validation={"every": 20, "criteria": {"error": {"high": 2, "step": 40}}},
    )
    plan = plan_of(made, silent_targets=0.25)
    assert (plan.steps, plan.validate_every, plan.validations) == (90, 20, 5)
    assert plan.criteria == (Criterion("error", -math.inf, 2.0, 40),)
    assert (plan.fine_tuning, plan.silent_targets) == (False, 0.25)
    assert plan.rate is not None
    assert [plan.rate(step) for step in (0, 45, 89)] == [
        rate_factor(made.schedule, step, 90) for step in (0, 45, 89)
    ]
    assert plan_of(recipe(training={"start_from": Path("w")})).fine_tuning


def test_promises_survive_yaml(tmp_path):
    made = recipe(validation={"criteria": {"offset": {"low": -1.5, "high": 1.5, "step": 3}}})
    (tmp_path / "recipe.yaml").write_text(dump(made))
    assert load(type(made), tmp_path / "recipe.yaml") == made


@pytest.mark.parametrize("bounds", [{}, {"low": 2, "high": 1}, {"low": math.nan}, {"step": -1}])
def test_a_promise_without_bounds_is_refused(bounds):
    with pytest.raises(ValueError, match=r"low <= high|greater than or equal"):
        Promise(**bounds)
