"""The verdict says what the folder says, and no more."""

import json
from pathlib import Path
from typing import Any

import pytest

from wellposed.errors import RunError
from wellposed.report.facts import read_facts
from wellposed.report.verdict import details, verdict


def change(run: Path, which: str, **entries: Any) -> None:
    rows = [json.loads(line) for line in (run / "history.jsonl").read_text().splitlines()]
    rows = [row | entries if row["kind"] == which else row for row in rows]
    (run / "history.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


def test_it_names_steps_best_score_noisy_score_and_findings(run_folder: Path) -> None:
    assert verdict(read_facts(run_folder)) == (
        "The run finished after 400 of 400 steps in 3 min; its best checkpoint, of step 200, "
        "has PESQ wide band 2.50 (95 % interval 2.38 to 2.62), where the noisy input has 1.50; "
        "the guard has 1 finding (1 failure)."
    )


def test_the_details_carry_the_intervals_and_compare_them(run_folder: Path) -> None:
    assert details(read_facts(run_folder)) == [
        "PESQ wide band at step 200 is the mean over 20 scenes.",
        "The noisy input: 1.50 (95 % interval 1.44 to 1.56), a difference of +1.00; "
        "the intervals do not overlap.",
        "SI-SDR improvement at that step: 7.50 dB (95 % interval 7.00 to 8.00).",
        "At the last validation, step 400: 2.25 (95 % interval 2.12 to 2.38).",
    ]


def test_a_run_without_end_is_not_called_finished(run_folder: Path) -> None:
    change(run_folder, "event", event="phase")
    assert verdict(read_facts(run_folder)).startswith(
        "The run has 400 of 400 steps in 3 min and no end on record"
    )


def test_without_validation_nothing_is_said_about_quality(run_folder: Path) -> None:
    change(run_folder, "validation", kind="event", event="phase")
    facts = read_facts(run_folder)
    assert "no validation was recorded" in verdict(facts)
    assert details(facts) == []


def test_without_the_noisy_input_nothing_is_compared(run_folder: Path) -> None:
    change(run_folder, "validation", metrics={"pesq_wb": {"mean": 2.0, "n": 4, "failed": 1}})
    facts = read_facts(run_folder)
    assert "noisy" not in verdict(facts)
    assert details(facts)[0] == (
        "PESQ wide band at step 200 is the mean over 4 scenes; 1 scene could not be scored."
    )


@pytest.mark.parametrize(
    ("low", "high", "place"),
    [(0.5, 1.5, "lies above"), (-1.5, -0.5, "lies below"), (-0.5, 0.5, "contains")],
)
def test_an_improvement_is_compared_with_zero(
    run_folder: Path, low: float, high: float, place: str
) -> None:
    recipe = run_folder / "recipe.yaml"
    recipe.write_text(recipe.read_text().replace("pesq_wb", "si_sdr_improvement_db"))
    score = {"mean": (low + high) / 2, "low": low, "high": high, "n": 4, "failed": 0}
    change(run_folder, "validation", metrics={"si_sdr_improvement_db": score})
    told = details(read_facts(run_folder))
    assert f"Its interval {place} 0, which is the noisy input." in told


def test_a_healthy_run_is_not_called_sound_but_without_finding(run_folder: Path) -> None:
    (run_folder / "findings.jsonl").unlink()
    assert verdict(read_facts(run_folder)).endswith("; no finding of the guard is on record.")


def test_a_finding_that_a_resume_repeats_counts_once(run_folder: Path) -> None:
    path = run_folder / "findings.jsonl"
    path.write_text(path.read_text() * 2)
    assert len(read_facts(run_folder).findings) == 1


def test_steps_that_a_resume_repeats_count_once(run_folder: Path) -> None:
    rows = (run_folder / "history.jsonl").read_text()
    again = {"kind": "train", "step": 310, "time_s": 210.0, "values": {"loss": 7.0}}
    (run_folder / "history.jsonl").write_text(rows + json.dumps(again) + "\n")
    loss = read_facts(run_folder).train["loss"]
    assert loss.steps[-2:].tolist() == [300, 310]
    assert loss.values[-1] == 7.0


def test_lines_that_are_no_findings_are_missing_by_number_torn_or_damaged(run_folder: Path) -> None:
    with (run_folder / "findings.jsonl").open("ab") as file:
        file.write(b'gr\xfctze\n{"code": "WP3')
    facts = read_facts(run_folder)
    assert len(facts.findings) == 1
    assert facts.missing == (
        r"a finding in line 2 of findings.jsonl (found b'gr\xfctze')",
        "a finding in line 3 of findings.jsonl (it is torn, as by a kill)",
    )


def test_a_history_of_one_garbage_line_makes_no_page_of_an_empty_run(run_folder: Path) -> None:
    (run_folder / "history.jsonl").write_text("This is no history.")
    with pytest.raises(RunError, match=r"history\.jsonl, line 1: found b'This is no history\.'"):
        read_facts(run_folder)
