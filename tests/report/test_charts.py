"""Which panels a run gets, and what is marked on them."""

import json
from pathlib import Path

from wellposed.report.charts import marks_of, name_of, training_charts, validation_charts
from wellposed.report.facts import read_facts


def log_more(run: Path, **values: float | str) -> None:
    row = {"kind": "train", "step": 410, "time_s": 205.0, "values": values}
    with (run / "history.jsonl").open("a") as file:
        file.write(json.dumps(row) + "\n")


def test_the_selection_metric_comes_first_with_the_noisy_input_as_its_level(
    run_folder: Path,
) -> None:
    recipe = run_folder / "recipe.yaml"
    recipe.write_text(recipe.read_text().replace("pesq_wb", "si_sdr_improvement_db"))
    first, second = validation_charts(read_facts(run_folder))
    assert (first.title, first.unit, first.level) == ("SI-SDR improvement", "dB", 0.0)
    assert (second.title, second.unit, second.level) == ("PESQ wide band", "MOS-LQO", 1.5)


def test_training_panels_are_loss_gradient_norm_learning_rate_and_then_the_rest(
    run_folder: Path,
) -> None:
    log_more(run_folder, level_of_output=1.0, learning_rate=0.001)
    charts = training_charts(read_facts(run_folder))
    assert [chart.title for chart in charts] == [
        "Loss", "Gradient norm", "Learning rate", "Level of output"
    ]  # fmt: skip
    assert [line.label for line in charts[0].lines] == ["total", "complex"]


def test_players_share_the_panel_of_their_quantity(run_folder: Path) -> None:
    log_more(run_folder, **{"critic/loss": 1.0, "critic/gradient_norm": 2.0})
    loss, norm = training_charts(read_facts(run_folder))
    assert [line.label for line in loss.lines] == ["total", "complex", "critic"]
    assert [line.label for line in norm.lines] == ["total", "critic"]


def test_more_than_four_curves_go_on_in_another_panel(run_folder: Path) -> None:
    log_more(run_folder, **{f"loss/{name}": 1.0 for name in "abcd"})
    charts = training_charts(read_facts(run_folder))
    assert [chart.title for chart in charts[:2]] == ["Loss", "Loss, 2"]
    assert [len(chart.lines) for chart in charts[:2]] == [4, 2]


def test_a_curve_alone_in_a_further_panel_gives_it_its_name(run_folder: Path) -> None:
    log_more(run_folder, **{f"loss/{name}": 1.0 for name in "abc"})
    assert training_charts(read_facts(run_folder))[1].title == "Loss, c"


def test_findings_are_marked_where_they_began_and_events_by_letters(run_folder: Path) -> None:
    marks = marks_of(read_facts(run_folder))
    assert [(mark.step, mark.label, mark.link) for mark in marks] == [
        (120, "1", "#finding-1"),
        (300, "a", "#event-1"),
    ]


def test_an_unknown_metric_goes_by_its_key() -> None:
    assert name_of("word_error_rate") == ("Word error rate", "")
