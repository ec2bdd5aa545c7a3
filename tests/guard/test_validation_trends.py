"""Levels that drift, and yardsticks that fall while the proxy rises."""

import random
from collections.abc import Iterator
from dataclasses import replace

import pytest
from little_run import SOUND, Little, codes, paid_for_quiet
from simulated_runs import healthy, plan, scored, told

from wellposed.guard import Severity
from wellposed.guard.evidence import Validation
from wellposed.guard.plan import Plan

ITEMS = 24


def levels(*means: float, spread: float = 2.0, common: float = 0.2) -> list[Validation]:
    """Validations with these mean levels [dB]; items differ by `spread` for good."""
    draws = random.Random(0)
    own = [draws.gauss(0, spread) for _ in range(ITEMS)]
    middle = sum(own) / ITEMS
    return [
        scored(
            number,
            [0.0] * ITEMS,
            {},
            levels_db=[mean + o - middle + draws.gauss(0, common) for o in own],
        )
        for number, mean in enumerate(means)
    ]


def test_the_level_that_fell_from_1_3_to_0_6_is_found_at_the_fourth_validation():
    """Ratios 1.327, 1.038, 0.746, 0.633 of a run whose loss paid for quiet."""
    found = told(levels(2.46, 0.32, -2.54, -3.97, spread=1.5), Plan(), "WP319")
    (drift,) = found
    assert (drift.severity, drift.step, drift.since_step) == (Severity.WARN, 3, 1)
    assert drift.evidence["gain"] == pytest.approx(0.633, abs=0.02)


def test_a_level_that_rises_is_found_as_well():
    assert told(levels(-5, 0, 2.5, 5), Plan(), "WP319")[0].severity is Severity.WARN


@pytest.mark.parametrize(
    "means",
    [
        (-20, -9, -4, -2, -1, -0.8),  # an approach
        (-0.83, -0.98, -0.89, -0.86, -0.88, -0.88, -0.93, -0.94),  # a healthy enhancer
        (-3, 2, 2.5),  # overshoot
        (2, 0, 2, 0, 2, 0, 2),  # to and fro
    ],
)
def test_a_level_that_approaches_or_shakes_is_no_drift(means):
    assert told(levels(*means), Plan(), "WP319") == []


@pytest.mark.parametrize(
    "means",
    [
        # Learning to suppress, from the input on: three runs of a healthy enhancer.
        (-0.19, -0.64, -1.38, -2.25, -2.79, -3.10, -3.15, -3.12, -3.18, -3.29, -3.35, -3.37),
        (-0.20, -0.76, -1.46, -2.06, -2.57, -2.94, -3.18, -3.23, -3.33, -3.43, -3.48, -3.50),
        (-0.63, -2.78, -4.72, -4.95, -4.40, -4.11, -3.59, -3.41, -3.63, -3.94, -4.04, -4.07),
    ],
)
def test_leaving_the_level_of_the_input_is_worth_knowing_and_no_more(means):
    found = told(levels(*means, spread=0.5), Plan(steps=12, validate_every=1), "WP319")
    assert {each.severity for each in found} <= {Severity.INFO}


def test_leaving_it_when_the_input_is_beaten_or_after_an_earlier_training_is_a_drift():
    leaving = levels(*[-0.8 * n for n in range(12)], spread=0.5)
    beaten = [replace(each, trivial={"input": {"m": [-3.0] * ITEMS}}) for each in leaving]
    for series, run in ((beaten, Plan()), (leaving, Plan(fine_tuning=True))):
        (found,) = told(series, run, "WP319")
        assert (found.severity, found.step) == (Severity.WARN, 2)


def test_a_slow_drift_is_seen_at_a_distance():
    slow = levels(*[-0.25 * n for n in range(20)], common=0.5)
    (drift,) = told(slow, Plan(), "WP319")
    assert drift.step - drift.since_step >= 4


def test_random_moves_as_large_as_before_are_no_drift():
    shaking = [0, 3, -2, 1, -3, 2, -1, 3, 0, -1.5, -3.5]
    assert told(levels(*shaking, spread=0.5), Plan(), "WP319") == []


def proxies(count: int, fall: float, *, seed: int = 0, walk: float = 0.0) -> Iterator[Validation]:
    """A metric that rises steadily; another whose mean falls, or walks at random."""
    draws = random.Random(seed)
    hard = [draws.gauss(0, 1) for _ in range(ITEMS)]
    mean = 0.0
    for number in range(1, count + 1):
        mean += draws.gauss(-fall, walk) if walk else -fall
        scores = {
            "m": [h + 0.1 * number for h in hard],
            "other": [10 * h + mean + draws.gauss(0, 0.3) for h in hard],
        }
        ends = {"m": "higher", "other": "higher"}
        yield scored(10 * number, [], {}, scores=scores, better=ends)


def test_a_yardstick_that_falls_steadily_is_found_after_eight_validations():
    (found,) = told(proxies(12, 0.5), Plan(steps=120, validate_every=10), "WP407")
    assert (found.severity, found.step) == (Severity.WARN, 80)
    assert (found.evidence["proxy"], found.evidence["yardstick"]) == ("m", "other")


def test_a_yardstick_that_rises_as_well_is_the_usual_case():
    assert told(proxies(12, -0.5), Plan(steps=120, validate_every=10), "WP407") == []


def test_the_training_loss_is_a_proxy_too():
    # Here nothing is chosen by "other", which is the yardstick.
    series = [
        replace(
            each,
            scores={"other": each.scores["other"]},
            select=None,
            losses={"l1": 10.0 - each.step / 100},
        )
        for each in proxies(12, 0.5)
    ]
    found = told(series, Plan(steps=120, validate_every=10), "WP407")
    assert [each.evidence["proxy"] for each in found] == ["training loss"]


def test_random_walks_are_found_no_more_often_than_declared():
    """Of 200 runs with the worst kind of chance 2 in expectation; 7 and more have chance 0.005."""
    run = Plan(steps=120, validate_every=10)
    false = sum(bool(told(proxies(12, 0, seed=n, walk=1), run, "WP407")) for n in range(200))
    assert false <= 6


def test_a_loss_that_pays_for_quiet_drifts_and_diverges_in_a_little_run():
    run = Little(loss=paid_for_quiet, select="si_sdr_db", metrics=SOUND)
    found = {each.code: each for each in run.train() if each.severity is Severity.WARN}
    assert set(found) == {"WP319", "WP407"}
    assert found["WP319"].step < 60


@pytest.mark.parametrize("rate", [1e-3, 9e-3])
def test_healthy_little_runs_at_other_rates(rate):
    assert codes(Little(rate=rate, seed=3).train()) == set()


@pytest.mark.parametrize("walk", ["walk", "regression", "draws"])
def test_false_alarms_of_healthy_runs(walk):
    found = [
        each
        for seed in range(40)
        for each in told(healthy(seed, walk=walk), plan(), "WP319", "WP407")
    ]
    assert found == []
