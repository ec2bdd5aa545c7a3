"""Findings survive JSON, read well, and every code has a page."""

import json
import math

import pytest

from wellposed.guard import Finding, Severity, Suspect, rule, rule_codes

FINDING = Finding(
    code="WP302",
    title="the loss is finite, its gradient is not",
    severity=Severity.FAIL,
    step=12,
    since_step=10,
    evidence={"gradient_norm": math.inf, "rows": 3, "module": "0.last"},
    suspects=(Suspect("sqrt", "run 0.last in float64"),),
    advice="a floor inside the root",
)


def test_a_finding_survives_one_line_of_strict_json():
    line = FINDING.to_json()
    assert "\n" not in line
    assert json.loads(line, parse_constant=pytest.fail)["evidence"]["gradient_norm"] == "inf"
    assert Finding.from_json(line) == FINDING


def test_text_that_is_no_finding_is_refused_with_what_it_lacks():
    with pytest.raises(ValueError, match="lacks 'code'"):
        Finding.from_json("{}")


def test_the_text_says_what_since_when_who_and_what_to_try():
    assert FINDING.text() == (
        "WP302 NONFINITE.BACKWARD at step 12 since step 10 (FAIL): "
        "the loss is finite, its gradient is not\n"
        "    gradient norm: inf\n"
        "    rows: 3\n"
        "    module: 0.last\n"
        "    suspect sqrt: run 0.last in float64\n"
        "    try: a floor inside the root\n"
        "    more: wellposed rule WP302"
    )


def test_every_page_answers_the_five_questions_and_has_a_name():
    for code in rule_codes():
        page = rule(code)
        assert page.startswith(f"# {code} ")
        for question in ("means", "looks like in a log", "is measured", "proves it", "to try"):
            assert question in page, (code, question)


def test_codes_are_found_in_any_case_and_unknown_ones_name_their_neighbours():
    assert rule(" wp301") == rule("WP301")
    with pytest.raises(ValueError, match="nearest: WP301"):
        rule("WP-301")
