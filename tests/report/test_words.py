"""Words and numbers of the page: names with their units, code between backticks, bare subjects."""

import pytest

from wellposed.guard.findings import Finding, Severity
from wellposed.report.charts import name_of
from wellposed.report.draw import Mark, _clusters
from wellposed.report.finding import _measured
from wellposed.report.markup import prose


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("range_error_m", ("Range error", "m")),
        ("angle_error_deg", ("Angle error", "deg")),
        ("effective_kbit_s", ("Effective", "kbit/s")),
        ("half/pesq_wb", ("PESQ wide band, half", "MOS-LQO")),
        ("f1", ("F1", "")),
        ("stage/1/perplexity", ("Stage, 1, perplexity", "")),
    ],
)
def test_the_unit_of_a_value_stands_apart_from_its_name(name, said):
    assert name_of(name) == said


def test_what_stands_between_backticks_is_code_and_nothing_becomes_markup():
    assert prose("run `a <b>` & go") == "run <code>a &lt;b&gt;</code> &amp; go"
    assert prose("a lonely ` tick") == "a lonely ` tick"


def found(**evidence: float | int | str) -> Finding:
    return Finding("WP404", "too few", Severity.INFO, 4, 4, evidence)


def test_a_subject_that_says_nothing_more_is_not_shown():
    assert "subject" not in _measured(found(subject="the same, INFO", list="the same"))
    assert "subject" in _measured(found(subject="stage 9", used=3))
    assert _measured(found(used=3)) == {"used": 3}


def test_labels_of_marks_that_would_touch_become_one():
    marks = [Mark(step, str(n), "", alarm=True) for n, step in enumerate((0, 2, 8, 40, 46), 1)]
    assert [[each.label for each in group] for group in _clusters(marks, 100)] == [
        ["1", "2", "3"], ["4"], ["5"]
    ]  # fmt: skip
