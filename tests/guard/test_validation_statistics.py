"""Trends, turns, item by item: against brute force, closed forms and simulation."""

import json
import math
import random
from dataclasses import asdict
from itertools import permutations

import pytest
import torch
from simulated_runs import scored

from wellposed.guard import Guard
from wellposed.guard.chance import expected_best, kendall, turns
from wellposed.guard.evidence import KEPT, Evidence
from wellposed.guard.paired import comparable, gains, mean, surely
from wellposed.guard.plan import Plan


def score(values: tuple[int, ...]) -> int:
    """Rising minus falling pairs."""
    pairs = [(a, b) for j, b in enumerate(values) for a in values[:j]]
    return sum((b > a) - (b < a) for a, b in pairs)


def test_kendalls_chance_is_that_of_all_orders():
    scores = [score(order) for order in permutations(range(6))]
    for order in ([0, 1, 2, 3, 4, 5], [1, 0, 2, 3, 5, 4], [5, 4, 3, 0, 1, 2], [2, 4, 0, 5, 1, 3]):
        found, chance = kendall(order)
        assert found == score(tuple(order))
        expected = sum(abs(each) >= abs(found) for each in scores) / len(scores)
        assert chance == pytest.approx(expected, abs=1e-12)


def test_a_long_order_has_the_chance_of_one_over_its_factorial_or_less():
    assert kendall(list(range(9)))[1] == pytest.approx(2 / math.factorial(9), rel=1e-6)
    assert 0 <= kendall(list(range(64)))[1] < 1e-12
    assert kendall([1.0, 1.0, 1.0]) == (0, 1.0)


def test_the_best_of_two_and_of_three_are_known():
    assert expected_best(1) == pytest.approx(0, abs=1e-3)
    assert expected_best(2) == pytest.approx(1 / math.sqrt(math.pi), rel=1e-3)
    assert expected_best(3) == pytest.approx(1.5 / math.sqrt(math.pi), rel=1e-3)


def test_turns_tell_the_size_of_a_random_walk():
    draws = random.Random(0)
    walk = [0.0]
    for _ in range(20_000):
        walk.append(walk[-1] + draws.gauss(0, 3))
    sizes = turns(walk)
    rms = math.sqrt(sum(each * each for each in sizes) / len(sizes))
    assert rms == pytest.approx(3, rel=0.03)
    assert turns([5, 3, 2, 1]) == []
    part = math.sqrt(1 - 2 / math.pi)
    assert turns([-9, 0, -0.5, -2]) == pytest.approx([0.5 / part])


def test_what_is_sure_is_wrong_as_often_as_declared():
    draws = random.Random(1)
    false = sum(surely([draws.gauss(0, 1) for _ in range(8)], 0.02) != 0 for _ in range(3000))
    # 60 expected, standard deviation 7.7.
    assert 35 < false < 85


def test_equal_differences_are_as_sure_as_so_many_coins():
    assert surely([0.5] * 8, 0.01) == 1
    assert surely([-0.5] * 7, 0.01) == 0
    assert surely([0.0] * 50, 0.01) == surely([1.0], 0.01) == surely([], 0.01) == 0


def test_gains_know_which_end_is_better_and_leave_out_what_is_undefined():
    assert gains("higher", [2.0, None, math.nan, 5.0], [1.0, 1.0, 1.0, math.inf]) == [1.0]
    assert gains("lower", [2.0, 3.0], [1.0, 5.0]) == [-1.0, 2.0]
    assert mean([1.0, None, math.inf, 3.0]) == 2.0
    assert math.isnan(mean([None]))


def test_what_is_spent_is_the_sum_of_the_rates():
    assert Plan().spent(10) is None
    assert Plan(steps=200).spent(50) == pytest.approx(0.25)
    falling = Plan(steps=1000, rate=lambda step: 1 - step / 1000)
    # 1 - (1 - x)^2 of a rate that falls to 0 along a line.
    assert falling.spent(500) == pytest.approx(0.75, abs=1e-3)
    assert falling.spent(5000) == pytest.approx(1.0)
    warm = Plan(steps=1000, rate=lambda step: min(1.0, step / 500))
    assert warm.spent(500) == pytest.approx(1 / 3, abs=2e-3)


def test_the_last_step_is_known_whether_one_counts_from_0_or_1():
    ends = Plan(steps=100)
    assert [ends.ends_at(step) for step in (98, 99, 100)] == [False, True, True]
    assert not Plan().ends_at(10**9)


def test_lists_are_compared_by_name_or_by_what_needs_no_network():
    named = scored(1, [1.0], {})
    assert comparable(named, scored(2, [2.0], {}))
    assert not comparable(named, scored(2, [1.0], {}, items="other"))
    one, two = (scored(1, [1.0], {"input": [value]}, items="") for value in (3.0, 4.0))
    assert comparable(one, scored(9, [7.0], {"input": [3.0]}, items=""))
    assert not comparable(one, two)


def test_trivial_scores_that_stay_are_written_once_and_read_back_everywhere():
    evidence = Evidence()
    rivals = ([1.0, math.nan], [1.0, math.nan], [2.0, None], [1.0, math.nan])
    for step, each in enumerate(rivals):
        evidence.judge(scored(step, [0.5, None], {"input": each}, levels_db=[0.1]))
    state = json.loads(json.dumps(evidence.state(), allow_nan=False))
    assert [each["trivial"] is None for each in state["validations"]] == [
        False, True, False, False
    ]  # fmt: skip
    again = Evidence()
    again.load(state)
    assert repr(again.validations) == repr(evidence.validations)
    assert repr(again.state()) == repr(evidence.state())


def test_validations_of_the_past_are_bounded():
    evidence = Evidence()
    for step in range(KEPT + 3):
        evidence.judge(scored(step, [0.5], {}))
    assert [each.step for each in evidence.validations][:1] == [3]


def test_a_validation_knows_the_mean_of_every_term_since_the_last_one():
    model = torch.nn.Linear(1, 1)
    guard = Guard(model, read_every=64)
    for step, value in enumerate([1.0, 3.0, 10.0, 20.0]):
        guard.step(step, {"l1": value, "l2": 2.0})
        if step % 2:
            guard.validate(step + 1, {"m": [1.0]}, better={"m": "higher"}, training=())
    told = [asdict(each)["losses"] for each in guard._examiner.evidence.validations]
    assert told == [{"l1": 2.0, "l2": 2.0}, {"l1": 15.0, "l2": 2.0}]
