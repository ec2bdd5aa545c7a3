"""The learning rate at the first, last and every step against its closed form."""

import math

import pytest

from wellposed.engine.schedule import rate_factor
from wellposed.engine.sections import Schedule


def test_the_warm_up_is_a_straight_line_whose_first_step_already_moves():
    schedule = Schedule(warmup_steps=4)
    assert [rate_factor(schedule, step, 100) for step in range(4)] == [0.25, 0.5, 0.75, 1.0]


@pytest.mark.parametrize("warmup", [0, 1, 10])
def test_the_cosine_falls_from_one_to_its_end(warmup: int):
    schedule = Schedule(shape="cosine", warmup_steps=warmup, final_factor=0.1)
    steps = 101 + warmup
    for step in range(warmup, steps):
        part = (step - warmup) / 100
        wanted = 0.1 + 0.9 * (1 + math.cos(math.pi * part)) / 2
        assert rate_factor(schedule, step, steps) == pytest.approx(wanted, abs=1e-12)
    assert rate_factor(schedule, warmup, steps) == 1.0
    assert rate_factor(schedule, warmup + 50, steps) == pytest.approx(0.55, abs=1e-12)
    assert rate_factor(schedule, steps - 1, steps) == pytest.approx(0.1, abs=1e-12)


def test_the_line_falls_from_one_to_its_end():
    schedule = Schedule(shape="linear", warmup_steps=0, final_factor=0.0)
    made = [rate_factor(schedule, step, 5) for step in range(5)]
    assert made == pytest.approx([1.0, 0.75, 0.5, 0.25, 0.0])


def test_a_constant_stays():
    schedule = Schedule(shape="constant", warmup_steps=2, final_factor=0.0)
    assert {rate_factor(schedule, step, 50) for step in range(1, 50)} == {1.0}


@pytest.mark.parametrize("shape", ["cosine", "linear"])
def test_past_its_end_the_rate_stays_at_the_last_value(shape: str):
    schedule = Schedule.model_validate({"shape": shape, "warmup_steps": 2, "final_factor": 0.2})
    assert rate_factor(schedule, 999, 50) == pytest.approx(0.2)


@pytest.mark.parametrize("steps", [1, 2, 3])
@pytest.mark.parametrize("warmup", [0, 1, 2, 200])
def test_runs_shorter_than_their_warm_up_have_a_rate_too(steps: int, warmup: int):
    schedule = Schedule(warmup_steps=warmup)
    factors = [rate_factor(schedule, step, steps) for step in range(steps)]
    assert all(0 < factor <= 1 for factor in factors)
