"""Tables: every metric under its name, failures counted, files that can be read back."""

import csv
import json
import math

import numpy as np
import pytest

from wellposed.errors import RecipeError
from wellposed.metrics import alignment, mel, speech
from wellposed.metrics.catalogue import METRICS
from wellposed.metrics.score import Score, undefined
from wellposed.metrics.table import (
    compare,
    failures,
    score_pair,
    summarise,
    text_table,
    write_csv,
    write_json,
)

RATE = 16000
CLEAN = np.random.default_rng(0).standard_normal(RATE)
NOISY = CLEAN + np.random.default_rng(1).standard_normal(RATE)
ESTIMATE = 0.8 * CLEAN + 0.1 * NOISY


def test_every_metric_of_the_catalogue_can_be_computed_under_its_name():
    names = tuple(
        name for name, entry in METRICS.items() if not entry.of_file and not entry.of_scene
    )
    scores = score_pair(reference=CLEAN, estimate=ESTIMATE, rate=RATE, names=names, noisy=NOISY)
    assert tuple(scores) == names
    for name, score in scores.items():
        home = next(module for module in (speech, alignment, mel) if hasattr(module, name))
        function = getattr(home, name)
        extra = (
            [NOISY] if METRICS[name].needs_noisy else [RATE][: function.__code__.co_argcount - 2]
        )
        assert score == function(ESTIMATE, CLEAN, *extra)
        assert score.value is not None


def test_the_improvement_without_a_noisy_input_is_undefined():
    name = "si_sdr_improvement_db"
    scores = score_pair(reference=CLEAN, estimate=ESTIMATE, rate=RATE, names=[name])
    assert scores[name] == undefined("there is no noisy input to compare with")


def test_what_belongs_to_a_coded_file_has_no_value_for_two_signals():
    names = [name for name, entry in METRICS.items() if entry.of_file]
    assert names
    scores = score_pair(reference=CLEAN, estimate=ESTIMATE, rate=RATE, names=names)
    assert {score.reason for score in scores.values()} == {
        "belongs to a coded file, not to two signals"
    }


def test_what_belongs_to_a_scene_has_no_value_for_two_signals():
    names = [name for name, entry in METRICS.items() if entry.of_scene]
    assert names
    scores = score_pair(reference=CLEAN, estimate=ESTIMATE, rate=RATE, names=names)
    assert {each.reason for each in scores.values()} == {
        "needs to know who speaks where in a scene"
    }


def test_an_unknown_metric_is_an_error():
    with pytest.raises(RecipeError, match="unknown metric 'stio', did you mean 'stoi'"):
        score_pair(reference=CLEAN, estimate=ESTIMATE, rate=RATE, names=["stio"])


def test_silence_in_one_file_is_counted_and_leaves_the_mean_of_the_others():
    rows = [{"stoi": Score(0.5)}, {"stoi": undefined("the estimate is silent")}]
    rows += [{"stoi": Score(0.7)}]
    entry = summarise(rows, seed=0)["stoi"]
    assert entry["mean"] == pytest.approx(0.6)
    assert (entry["n"], entry["failed"]) == (2, 1)
    assert failures(rows) == {"stoi": {"the estimate is silent": 1}}


def test_a_metric_without_any_value_keeps_its_line():
    rows = [{"pesq_wb": undefined("too short")}] * 3
    entry = summarise(rows, seed=0)["pesq_wb"]
    assert math.isnan(entry["mean"])
    assert (entry["n"], entry["failed"]) == (0, 3)
    text = text_table(summarise(rows, seed=0), failures(rows))
    assert text.splitlines() == [
        "PESQ wide band [MOS-LQO], higher is better  undefined  n=0",
        "  3 of 3 undefined: too short",
    ]


def test_another_metric_in_the_table_changes_no_interval():
    rng = np.random.default_rng(2)
    rows = [{"stoi": Score(rng.random()), "snr_db": Score(rng.random())} for _ in range(9)]
    alone = [{"stoi": row["stoi"]} for row in rows]
    assert summarise(rows, seed=3)["stoi"] == summarise(alone, seed=3)["stoi"]
    assert summarise(rows, seed=3)["stoi"] != summarise(rows, seed=4)["stoi"]


def test_the_comparison_uses_the_files_where_both_have_a_value():
    after = [{"snr_db": Score(5.0)}, {"snr_db": Score(9.0)}, {"snr_db": undefined("silent")}]
    before = [{"snr_db": Score(2.0)}, {"snr_db": undefined("silent")}, {"snr_db": Score(1.0)}]
    entry = compare(after, before, seed=0)["snr_db"]
    assert entry["mean"] == 3.0
    assert (entry["n"], entry["failed"]) == (1, 2)


def test_the_text_has_unit_direction_mean_and_interval():
    rows = [{"si_sdr_db": Score(1.0), "level_error_db": Score(-2.0)}] * 5
    assert text_table(summarise(rows, seed=0), {}).splitlines() == [
        "SI-SDR [dB], higher is better               1.000 [1.000, 1.000]  n=5",
        "level error of the speech [dB], 0 is right  -2.000 [-2.000, -2.000]  n=5",
    ]


def test_the_csv_file_gives_back_every_value_to_the_bit_and_every_reason(tmp_path):
    rows = [{"stoi": Score(1 / 3), "snr_db": Score(-0.1)}]
    rows += [{"stoi": undefined("too short"), "snr_db": Score(2.0)}]
    path = tmp_path / "new" / "scores.csv"
    write_csv(path, ["a,b", "ü"], {"": rows, "noisy/": rows})
    with path.open(newline="", encoding="utf-8") as file:
        first, second = csv.DictReader(file)
    assert first["file"] == "a,b"
    assert float(first["stoi"]) == 1 / 3
    assert float(first["noisy/snr_db"]) == -0.1
    assert (second["file"], second["stoi"]) == ("ü", "")
    assert second["undefined"] == "stoi: too short; noisy/stoi: too short"


def test_the_json_file_writes_what_is_not_finite_as_strings(tmp_path):
    path = tmp_path / "summary.json"
    write_json(path, {"metrics": {"stoi": {"low": math.nan, "high": -math.inf, "n": 1}}})

    def refuse(word: str) -> None:
        raise AssertionError(f"{word} is not JSON")

    content = json.loads(path.read_text(encoding="utf-8"), parse_constant=refuse)
    assert content == {"metrics": {"stoi": {"low": "nan", "high": "-inf", "n": 1}}}
