"""What counts as a symptom: codes, or a figure beyond one bound."""

import json

import pytest

from wellposed.engine.explain.symptom import Symptom


@pytest.mark.parametrize(
    ("low", "high", "value", "shown"),
    [(0.5, None, 0.4, True), (0.5, None, 0.5, False), (None, 2.0, 3.0, True), (None, 2.0, 1.0, 0)],
)
def test_a_figure_is_the_symptom_beyond_its_bound(low, high, value, shown) -> None:
    symptom = Symptom(steps=4, figure="loss/x", below=low, above=high)
    assert symptom.shown_by(value) == bool(shown)


def test_a_figure_that_is_missing_or_no_number_is_the_symptom() -> None:
    symptom = Symptom(steps=4, figure="loss/x", above=1.0)
    assert symptom.shown_by(None)
    assert symptom.shown_by(float("nan"))


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"codes": ("WP301",), "figure": "loss/x", "above": 1.0},
        {"figure": "loss/x"},
        {"figure": "loss/x", "above": 1.0, "below": 0.0},
        {"codes": ("WP301",), "above": 1.0},
    ],
)
def test_nothing_or_two_things_to_look_for_is_refused(fields) -> None:
    with pytest.raises(ValueError, match="wanted codes, or a figure"):
        Symptom(steps=4, **fields)


@pytest.mark.parametrize(
    "symptom",
    [Symptom(steps=4, codes=("WP301", "WP302")), Symptom(steps=4, figure="x", below=0.5, over=8)],
)
def test_a_symptom_survives_json(symptom) -> None:
    assert Symptom.from_json(json.loads(json.dumps(symptom.to_json()))) == symptom
