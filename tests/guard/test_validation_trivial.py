"""Worse than an output that needs no network, and metrics that pay for one."""

import random

import pytest
from little_run import SOUND, Little, codes
from simulated_runs import healthy, plan, scored, told

from wellposed.guard import Severity
from wellposed.guard.plan import Plan

N = 32
ZERO: list[float | None] = [0.0] * N
LOUD = (*SOUND, "loud_db")


def around(mean: float, seed: int = 0, spread: float = 1.0) -> list[float | None]:
    draws = random.Random(seed)
    return [draws.gauss(mean, spread) for _ in range(N)]


def stages(means: list[float], plan: Plan) -> list[tuple[str, Severity, int]]:
    """Stages of WP401 in a run with these means, one validation every 100 steps."""
    validations = [
        scored(100 * number, around(mean), {"silence": ZERO})
        for number, mean in enumerate(means, 1)
    ]
    return [
        (str(each.evidence["stage"]), each.severity, each.step)
        for each in told(validations, plan, "WP401")
    ]


def test_a_beginner_below_silence_is_worth_knowing_and_no_more():
    assert stages([-10, -4, 1, 3], plan(4)) == [("early", Severity.INFO, 100)]


def test_at_the_planned_end_it_is_a_failure():
    found = stages([-10, -9, -6, -3, -2, -1], plan(6))
    assert found[-1] == ("end", Severity.FAIL, 600)


def test_whoever_does_not_get_there_at_this_pace_is_told_after_half_of_the_plan():
    found = stages([-10, -9.8, -9.6, -9.4, -9.2, -9, -8.8, -8.6], plan(8))
    assert [each[0] for each in found] == ["early", "stuck", "end"]
    assert found[1] == ("stuck", Severity.WARN, 400)


def test_a_late_start_that_will_arrive_is_let_alone():
    assert stages([-10, -10, -10, -7, -4, -1, 2, 5], plan(8)) == [("early", Severity.INFO, 100)]


def test_a_fall_below_what_was_surely_passed_is_told_at_once():
    found = stages([3, 4, -3, 5], plan(100))
    assert found == [("fell", Severity.WARN, 300)]


def test_weights_that_have_not_changed_a_bit_will_not_arrive():
    first, second = (scored(step, around(-5), {"silence": ZERO}, weights="w") for step in (1, 2))
    found = told([first, second], plan(100), "WP401")
    assert [each.evidence["stage"] for each in found] == ["early", "still"]


def test_without_a_plan_a_run_counts_as_a_hundred_validations():
    steady = [-10.0] * 60
    found = stages(steady, Plan())
    assert [(stage, step) for stage, _, step in found] == [("early", 100), ("stuck", 5000)]


def test_an_output_without_any_score_is_worse_than_an_input_that_has_one():
    silent: list[float | None] = [None] * N
    validations = [scored(step, silent, {"input": around(3)}) for step in (100, 200)]
    found = told(validations, Plan(steps=200, validate_every=100), "WP401")
    assert [each.severity for each in found] == [Severity.INFO, Severity.FAIL]
    assert "no item has a score" in found[0].title
    assert {each.evidence["subject"] for each in found} == {"networks"}


def test_two_metrics_that_disagree_are_worth_knowing_and_no_more():
    both = {"m": around(-3), "other": around(4)}
    trivial = {"silence": {"m": ZERO, "other": ZERO}}
    ends = {"m": "higher", "other": "higher"}
    made = scored(400, [], {}, scores=both, trivial=trivial, better=ends)
    (found,) = told([made], plan(4), "WP401")
    assert (found.severity, found.evidence["disputed_by"]) == (Severity.INFO, "other")


def test_si_sdr_that_gives_silence_0_db_prefers_it_to_the_best_model():
    """Its best model stood at -0.98 dB, and spoke: another metric knew."""
    scores = {"sisdr": around(-0.98, spread=0.5), "stoi": around(0.6, spread=0.1)}
    trivial = {"silence": {"sisdr": ZERO, "stoi": ZERO}}
    ends = {"sisdr": "higher", "stoi": "higher"}
    made = scored(400, [], {}, scores=scores, trivial=trivial, better=ends, select="sisdr")
    (found,) = told([made], plan(4), "WP402")
    assert found.severity is Severity.FAIL
    assert found.evidence["disputed_by"] == "stoi"
    assert found.evidence["networks_gain_over_it"] == pytest.approx(-0.98, abs=0.2)


def test_silence_without_a_score_is_right():
    none: list[float | None] = [None] * N
    assert told([scored(400, around(-1), {"silence": none})], plan(4), "WP401", "WP402") == []


@pytest.mark.parametrize(("of_input", "wanted"), [(2.0, []), (-2.0, [Severity.WARN])])
def test_a_metric_that_knows_what_the_input_is_worth_is_acquitted(of_input, wanted):
    rivals = {"silence": ZERO, "input": around(of_input)}
    found = told([scored(400, around(-4), rivals)], plan(4), "WP402")
    assert [each.severity for each in found] == wanted


def test_a_metric_by_which_no_reference_beats_silence_fails_at_once():
    rivals = {"silence": [-80.0] * N, "reference": around(-20)}
    lower = {"better": {"m": "lower"}}
    (found,) = told([scored(100, around(-22), rivals, **lower)], plan(100), "WP402")
    assert found.severity is Severity.FAIL
    blind = {"silence": ZERO, "reference": ZERO}
    assert told([scored(100, around(1), blind)], plan(100), "WP402")
    right = {"silence": ZERO, "reference": around(9)}
    assert told([scored(100, around(1), right)], plan(100), "WP402") == []


def test_a_healthy_little_run_ends_above_its_input():
    assert codes(Little().train()) == set()


def test_a_rate_of_zero_stays_below_the_input():
    found = Little(rate=0.0, steps=30).train()
    first = [each for each in found if each.code == "WP401"]
    assert [(each.severity, each.step) for each in first[:2]] == [
        (Severity.INFO, 9),
        (Severity.WARN, 19),
    ]
    assert first[-1].severity is Severity.FAIL


@pytest.mark.parametrize(("reference", "delay"), [(True, 9), (False, 69)])
def test_choosing_the_quietest_is_choosing_by_a_flawed_metric(reference, delay):
    run = Little(metrics=LOUD, select="loud_db", reference=reference)
    (found,) = [each for each in run.train() if each.code == "WP402"]
    assert (found.severity, found.step) == (Severity.FAIL, delay)


@pytest.mark.parametrize("walk", ["walk", "regression", "draws"])
def test_false_alarms_of_healthy_runs(walk):
    """None above INFO in 40 runs each, of which a tenth may end near their input."""
    above = [
        each
        for seed in range(40)
        for each in told(healthy(seed, walk=walk), plan(), "WP401", "WP402")
        if each.severity is not Severity.INFO
    ]
    assert above == []
