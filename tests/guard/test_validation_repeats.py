"""Validations that do not repeat, and items without a finite score."""

import math

import pytest
from little_run import Little, codes
from simulated_runs import healthy, judge, plan, scored, told

from wellposed.guard import Severity
from wellposed.guard.evidence import Evidence
from wellposed.guard.plan import Plan

ONE = [1.0, 2.0, 3.0, 400.0]


@pytest.mark.parametrize(
    ("second", "wanted"),
    [
        ([1.0, 2.0], None),
        ([1.0, math.nextafter(2.0, 3)], Severity.INFO),
        ([1.0, 2.0 + 0.99 * 400 * 2**-11.5], Severity.INFO),
        ([1.0, 2.0 + 1.01 * 400 * 2**-11.5], Severity.FAIL),
        ([1.0, None], Severity.FAIL),
        ([1.0, math.nan], Severity.FAIL),
    ],
)
def test_one_bit_is_found_and_more_than_rounding_fails(second, wanted):
    found = told([scored(1, ONE, {}, again={"m": second})], Plan(), "WP403")
    assert [each.severity for each in found] == ([] if wanted is None else [wanted])
    if found:
        assert (found[0].evidence["metric"], found[0].evidence["item"]) == ("m", 1)


def test_undefined_and_nan_repeat_themselves():
    again = {"m": [None, math.nan]}
    assert told([scored(1, [None, math.nan, 3.0], {}, again=again)], Plan(), "WP403") == []


def test_two_validations_of_equal_weights_on_one_list_must_be_equal():
    def after(**changes: object) -> list[str]:
        first = scored(1, ONE, {}, weights="w")
        second = scored(2, [1.0, 2.0, 3.5, 400.0], {}, **{"weights": "w", **changes})
        return [each.code for each in told([first, second], Plan(), "WP403")]

    assert after() == ["WP403"]
    assert after(weights="other") == after(items="another list") == after(items="") == []


def test_networks_in_training_mode_are_the_first_suspects():
    made = scored(1, ONE, {}, again={"m": [1.5]}, training=("critic",))
    (found,) = told([made], Plan(), "WP403")
    assert found.suspects[0].name == "training mode of critic"


def test_dropout_that_is_not_switched_off_is_found_at_the_first_validation():
    found = Little(resting=False, steps=20).train()
    assert codes(found) == {"WP403"}
    assert found[0].step == 9


def test_a_score_that_is_not_finite_is_named_and_counted():
    scores = [1.0, math.nan, 2.0, math.inf]
    (found,) = told([scored(1, scores, {"input": [0.0, 1.0, 1.0, None]})], Plan(), "WP405")
    assert found.severity is Severity.FAIL
    facts = found.evidence
    assert (facts["items"], facts["count"], facts["of"]) == ("1, 3", 2, 4)
    assert facts["trivial_output_has_a_score"] == 1


def test_a_score_that_has_gone_is_told_and_one_that_never_was_is_not():
    none: list[float | None] = [None] * 4
    series = [
        scored(1, [None, 1.0, 1.0, 1.0], {"input": none}),
        scored(2, [None, 1.0, None, 1.0], {"input": none}),
        scored(3, none, {"input": none}),
    ]
    (found,) = told(series[:2], Plan(), "WP405")
    assert (found.severity, found.evidence["items"]) == (Severity.WARN, "2")
    evidence = Evidence(Plan())
    for each in series:
        evidence.judge(each)
    assert judge(evidence, "WP405")[0].severity is Severity.FAIL
    assert told([scored(1, none, {"input": none})], Plan(), "WP405") == []


def test_a_list_without_a_name_loses_no_item():
    series = [scored(1, [1.0, None], {}, items=""), scored(2, [None, 1.0], {}, items="")]
    assert told(series, Plan(), "WP405") == []


def test_an_item_that_only_the_input_can_score_is_worth_knowing():
    (found,) = told([scored(1, [None, 1.0], {"input": [2.0, 2.0]})], Plan(), "WP405")
    assert (found.severity, found.evidence["items"]) == (Severity.INFO, "0")


def test_one_silent_target_is_found_at_the_first_validation():
    found = [each for each in Little(silent_target=True, steps=20).train() if each.code == "WP405"]
    assert {each.evidence["metric"] for each in found} >= {"snr_db"}
    assert {(each.severity, each.evidence["items"], each.step) for each in found} == {
        (Severity.FAIL, "3", 9)
    }


def test_healthy_runs_repeat_and_lose_nothing():
    for seed in range(10):
        assert told(healthy(seed), plan(), "WP403", "WP405") == []
    assert codes(Little(seed=1).train()) == set()
