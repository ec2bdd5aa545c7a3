"""What a validation can resolve: the numbers of a run that chose its best by chance."""

import random
from dataclasses import replace
from itertools import pairwise
from statistics import NormalDist, fmean

import pytest
from little_run import Little, codes
from simulated_runs import healthy, plan, scored, told

from wellposed.guard import Severity
from wellposed.guard.chance import expected_best
from wellposed.guard.checks.validation_power import items_needed, resolution
from wellposed.guard.plan import Plan

SD, N = 5.33, 80
"""Spread between items [dB] and items of that run; each validation drew fresh ones."""


def fresh(count: int, seed: int = 0, gain: float = 0.0, items: int = N):
    draws = random.Random(seed)
    return [
        scored(
            number, [draws.gauss(gain * number, SD) for _ in range(items)], {}, items=f"{number}"
        )
        for number in range(1, count + 1)
    ]


def test_the_formula_gives_the_items_that_the_claim_takes():
    # 8 (5.33 / 0.17)^2 = 7864.06, and a hundredth of it.
    assert items_needed(SD, 0.17, 0.0) == 7865
    assert items_needed(SD, 0.17, 0.99) == 79
    assert resolution(SD, 7864, 0.0) == pytest.approx(0.17, rel=1e-3)
    assert resolution(SD, 79, 0.99) == pytest.approx(0.17, rel=1e-2)


def test_chance_alone_moves_consecutive_validations_and_the_best_of_fifty():
    error = SD / N**0.5
    # The difference of two means is normal with sqrt(2) of their error.
    assert NormalDist().inv_cdf(0.75) * error * 2**0.5 == pytest.approx(0.57, abs=0.005)
    assert NormalDist().inv_cdf(0.975) * error * 2**0.5 == pytest.approx(1.65, abs=0.005)
    assert expected_best(50) * error == pytest.approx(1.34, abs=0.005)


def test_a_simulated_model_that_does_not_change_gains_as_much():
    best, differences = [], []
    for seed in range(60):
        means = [fmean(v for v in each.scores["m"] if v is not None) for each in fresh(50, seed)]
        best.append(max(means))
        differences += [abs(b - a) for a, b in pairwise(means)]
    assert fmean(best) == pytest.approx(1.34, abs=0.12)
    assert sorted(differences)[len(differences) // 2] == pytest.approx(0.57, abs=0.03)


def test_a_best_by_luck_on_changing_lists_is_a_warning_with_these_numbers():
    means = Plan(steps=50, validate_every=1)
    found = [each for each in told(fresh(50), means, "WP404") if each.severity is Severity.WARN]
    (first,) = found
    assert first.step <= 10
    assert first.evidence["resolution"] == pytest.approx(2 * SD * (2 / N) ** 0.5, rel=0.15)
    luck = first.evidence["gain_of_the_best_of_50_by_luck"]
    assert luck == pytest.approx(1.34, rel=0.15)
    claimed, needed = first.evidence["claimed"], first.evidence["items_needed"]
    assert isinstance(claimed, float)
    assert needed == pytest.approx(items_needed(SD, claimed, 0.0), rel=0.3)


def test_the_first_change_of_the_list_may_be_meant():
    first, second = fresh(2)
    assert all(each.severity is Severity.INFO for each in told([first, second], Plan(), "WP404"))


def test_a_gain_that_fresh_lists_resolve_is_a_gain():
    assert told(fresh(10, gain=5.0), Plan(), "WP404") == []


def test_a_list_without_a_name_is_known_by_its_trivial_outputs():
    series = [
        replace(each, items="", trivial={"input": {"m": each.scores["m"][:3]}})
        for each in fresh(20)
    ]
    assert any(each.severity is Severity.WARN for each in told(series, Plan(), "WP404"))


def test_one_list_is_compared_item_by_item():
    draws = random.Random(0)
    hard = [draws.gauss(0, SD) for _ in range(79)]
    # rho 0.99 between the two scores of an item, as 0.1 of the spread is drawn anew.
    noise = SD * 0.01**0.5
    series = [
        scored(number, [h + 0.1 * number + draws.gauss(0, noise) for h in hard], {})
        for number in (1, 2)
    ]
    (found,) = told(series, Plan(), "WP404")
    assert found.severity is Severity.INFO
    assert found.evidence["resolution"] == pytest.approx(0.17, rel=0.2)


def test_a_smallest_gain_below_the_resolution_is_told():
    draws = random.Random(0)
    values = [[draws.gauss(mean, 1) for _ in range(50)] for mean in (0, -1)]
    series = [scored(n, each, {}, minimum_gain=0.01) for n, each in enumerate(values)]
    (found,) = told(series, Plan(), "WP404")
    assert "a gain of 0.01" in found.title


def test_fresh_items_in_a_little_run_are_found_and_one_list_is_not():
    assert codes(Little(fresh_items=True).train()) == {"WP404"}
    assert codes(Little(seed=2).train()) == set()


def test_healthy_runs_of_one_list_are_told_no_more_than_that_gains_get_small():
    for seed in range(20):
        found = told(healthy(seed), plan(), "WP404")
        assert {each.severity for each in found} <= {Severity.INFO}
