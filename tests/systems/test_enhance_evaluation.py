"""Evaluation of enhancers: published scores, known gains, workers, and what must not pass."""

import csv
import json
import math

import numpy as np
import pytest

from wellposed.errors import DataError, RecipeError, RunError
from wellposed.metrics import catalogue
from wellposed.systems.enhance.evaluation import evaluate
from wellposed.systems.enhance.pairs import FolderPairs, Pair, Waveform, scene_pairs

RATE = 16000
QUICK = ("si_sdr_db", "snr_db", "level_error_db", "si_sdr_improvement_db")


def triples(count: int) -> list[tuple[str, np.ndarray, np.ndarray]]:
    """Scenes with independent noise of 0 dB to 9 dB."""
    found = []
    for index in range(count):
        rng = np.random.default_rng(index)
        clean, noise = rng.standard_normal((2, RATE // 2)).astype(np.float32)
        found.append((f"scene-{index}", clean + 10 ** (-index / 20) * noise, clean))
    return found


def scenes(count: int) -> list[Pair]:
    return list(scene_pairs(triples(count), RATE))


def halve(wave: Waveform, rate: int) -> Waveform:
    return np.float32(0.5) * wave


def test_the_noisy_files_of_the_real_pairs_have_the_published_scores(shared_data):
    with (shared_data / "paired" / "reference_scores.csv").open(encoding="utf-8") as file:
        expected = {
            row["utterance"]: row for row in csv.DictReader(file) if row["system"] == "noisy"
        }
    names = ("pesq_wb", "stoi", "si_sdr_db", "snr_db")
    found = evaluate(FolderPairs(shared_data / "paired"), None, names=names)
    assert set(found.files) == set(expected)
    assert len(found.files) == 18
    # The table is rounded: PESQ and STOI to 0.001, ratios to 0.01 dB, hence half of that.
    for name, tolerance in (
        ("pesq_wb", 5e-4),
        ("stoi", 5e-4),
        ("si_sdr_db", 5e-3),
        ("snr_db", 5e-3),
    ):
        for utterance, row in zip(found.files, found.rows, strict=True):
            assert row[name].value == pytest.approx(
                float(expected[utterance][name]), abs=1.001 * tolerance
            )
    assert found.summary["pesq_wb"]["mean"] == pytest.approx(1.764, abs=5e-4)


def test_halving_costs_6_02_db_of_level_and_no_si_sdr():
    found = evaluate(scenes(6), halve, names=QUICK)
    assert found.gain["level_error_db"]["mean"] == pytest.approx(-20 * math.log10(2), abs=1e-6)
    assert found.gain["level_error_db"]["high"] == pytest.approx(-20 * math.log10(2), abs=1e-6)
    assert found.gain["si_sdr_db"]["mean"] == pytest.approx(0, abs=1e-6)
    assert found.summary["si_sdr_improvement_db"]["mean"] == pytest.approx(0, abs=1e-6)


def test_the_gain_is_the_mean_of_the_differences_and_its_interval_is_paired():
    clean = {name: side for name, _, side in triples(8)}
    noisy = {side.tobytes(): name for name, side, _ in triples(8)}

    def halve_the_noise(wave, rate):
        return (wave + clean[noisy[wave[0].tobytes()]]) / 2

    found = evaluate(scenes(8), halve_the_noise, names=QUICK)
    gain = found.gain["snr_db"]
    # Half the noise amplitude is 6.02 dB on every scene: certain, however the scenes scatter.
    assert gain["mean"] == pytest.approx(20 * math.log10(2), abs=1e-3)
    assert gain["high"] - gain["low"] < 1e-3
    assert found.summary["snr_db"]["high"] - found.summary["snr_db"]["low"] > 1


def test_without_enhancer_the_noisy_input_is_scored_and_there_is_no_gain():
    found = evaluate(scenes(3), None, names=QUICK)
    assert found.gain == {}
    assert found.noisy_summary == {}
    # Independent noise at 0, 1 and 2 dB below the speech; 8000 samples scatter by 0.1 dB.
    assert [row["snr_db"].value for row in found.rows] == pytest.approx([0, 1, 2], abs=0.4)
    assert "si_sdr_improvement_db" not in found.rows[0]


def test_worker_processes_give_the_same_numbers_in_the_same_order():
    def enhancer(wave, rate):
        return 0.9 * wave

    names = ("snr_db", "si_sdr_db")
    here = evaluate(scenes(7), enhancer, names=names, workers=0)
    there = evaluate(scenes(7), enhancer, names=names, workers=2)
    assert there == here
    assert here.files == tuple(f"scene-{index}" for index in range(7))


def test_a_silent_enhancer_earns_no_score_and_is_counted():
    found = evaluate(scenes(4), lambda wave, rate: 0 * wave, names=QUICK)
    for name in QUICK:
        assert (found.summary[name]["n"], found.summary[name]["failed"]) == (0, 4)
    assert "4 of 4 undefined: the estimate is silent" in found.text()


def test_an_enhancer_working_in_place_does_not_touch_the_input_that_is_scored():
    def wipe(wave, rate):
        wave[:] *= 0.5
        return wave

    found = evaluate(scenes(2), wipe, names=["level_error_db"])
    assert found.gain["level_error_db"]["mean"] == pytest.approx(-20 * math.log10(2), abs=1e-6)


def test_several_channels_get_the_mean_over_their_channels():
    (_, noisy, clean), (_, other_noisy, other_clean) = triples(2)
    stereo = ("both", np.stack([noisy, other_noisy]), np.stack([clean, other_clean]))
    single = evaluate(scenes(2), None, names=["snr_db"])
    both = evaluate(list(scene_pairs([stereo], RATE)), None, names=["snr_db"])
    assert both.rows[0]["snr_db"].value == pytest.approx(single.summary["snr_db"]["mean"])


def test_an_enhancer_that_changes_the_length_is_an_error():
    with pytest.raises(DataError, match=r"scene-0: the enhancer made \(1, 7999\) of \(1, 8000\)"):
        evaluate(scenes(1), lambda wave, rate: wave[:, 1:], names=QUICK)


def test_no_pair_at_all_is_an_error():
    with pytest.raises(DataError, match="no pair to score"):
        evaluate([], None)


def test_wrong_names_and_missing_packages_show_before_the_enhancer_runs(monkeypatch):
    def unwanted(wave, rate):
        raise AssertionError("the enhancer ran")

    with pytest.raises(RecipeError, match="unknown metric"):
        evaluate(scenes(1), unwanted, names=["sdr"])
    monkeypatch.setattr(catalogue, "find_spec", lambda package: None)
    with pytest.raises(RunError, match="is not installed"):
        evaluate(scenes(1), unwanted)


def test_progress_counts_every_file():
    pairs = scenes(3)
    seen = []
    evaluate(pairs, None, names=["snr_db"], progress=lambda *state: seen.append(state))
    assert seen == [(1, 3, "scene-0"), (2, 3, "scene-1"), (3, 3, "scene-2")]


def test_the_written_files_hold_every_score_the_summary_and_the_table(tmp_path):
    found = evaluate(scenes(5), halve, names=QUICK)
    found.write(tmp_path / "out")
    with (tmp_path / "out" / "scores.csv").open(encoding="utf-8") as file:
        lines = list(csv.DictReader(file))
    assert [line["file"] for line in lines] == list(found.files)
    for line, row, noisy_row in zip(lines, found.rows, found.noisy_rows or (), strict=True):
        assert float(line["snr_db"]) == row["snr_db"].value
        assert float(line["noisy/snr_db"]) == noisy_row["snr_db"].value
    content = json.loads((tmp_path / "out" / "summary.json").read_text(encoding="utf-8"))
    assert content["metrics"] == found.summary
    assert content["gain"] == found.gain
    assert (tmp_path / "out" / "summary.txt").read_text(encoding="utf-8") == found.text() + "\n"
