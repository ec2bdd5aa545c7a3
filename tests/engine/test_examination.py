"""What the guard is told about a validation, and what becomes of what it finds."""

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from runs import left_by, train
from toy import CPU, Toy, ToyRecipe, recipe

from wellposed.engine import run as running
from wellposed.engine.distributed import World
from wellposed.engine.launch import start
from wellposed.engine.storage.history import read_history
from wellposed.engine.validation import Trivial, direction, measure, scenes_hash
from wellposed.errors import RecipeError
from wellposed.guard import Guard
from wellposed.guard.weights import fingerprint

ALONE = World(0, 1, CPU)
ZERO = {"error": 0.5, "closeness": -0.6}
VALIDATED = {"WP401", "WP402", "WP403", "WP405", "WP408", "WP212"}


def found(run: Path, *codes: str) -> list[dict[str, Any]]:
    """Lines of the findings file with these codes; those of a validation unless named."""
    wanted = codes or VALIDATED
    return [each for each in read_history(run / "findings.jsonl") if each["code"] in wanted]


def with_trivial(patch: pytest.MonkeyPatch, calls: list[int]) -> None:
    """Let the toy score a line of zeros; `calls` counts how often."""

    def trivial(self, item):
        calls.append(1)
        return {"silence": ZERO, "input": {"error": float(item["noisy"].var())}}

    patch.setattr(Toy, "trivial", trivial)


def test_the_guard_is_told_all_of_a_validation_of_the_average(tmp_path, monkeypatch):
    told: list[tuple[int, dict[str, Any], dict[str, Any], str]] = []
    judge = Guard.validate

    def spy(self, step, scores, **said):
        told.append((step, scores, said, fingerprint(self.models)))
        return judge(self, step, scores, **said)

    calls: list[int] = []
    with_trivial(monkeypatch, calls)
    monkeypatch.setattr(Guard, "validate", spy)
    monkeypatch.setattr(Toy, "level_metric", "offset")
    made = recipe(validation={"minimum_gain": 0.25})
    run = train(made, tmp_path / "run")
    assert [each[0] for each in told] == [4, 8]
    _, scores, said, weights = told[1]
    history = [row for row in read_history(run / "history.jsonl") if row["kind"] == "validation"]
    for name in ("error", "closeness", "offset"):
        values = [value for value in scores[name] if value is not None]
        assert len(scores[name]) == 4
        assert sum(values) / len(values) == pytest.approx(history[1]["metrics"][name]["mean"])
        assert said["again"][name] == scores[name][:2]
    assert said["better"] == {"error": "lower", "closeness": "higher"}
    assert (said["select"], said["minimum_gain"]) == ("error", 0.25)
    assert said["items"] == scenes_hash(Toy(made))
    assert said["levels_db"] == scores["offset"]
    assert said["training"] == ()
    assert said["trivial"]["silence"] == {"error": [0.5] * 4, "closeness": [-0.6] * 4}
    assert list(said["trivial"]["input"]) == ["error"]
    # Trivial outputs are scored once a scene; the weights are the average, which is kept.
    assert len(calls) == 4
    kept = Toy(made).build()
    kept["model"].load_state_dict(load_average(run))
    assert fingerprint(kept) == weights
    assert found(run, "WP212") == []


def load_average(run: Path) -> dict[str, torch.Tensor]:
    """The average of the weights in the newest checkpoint, with the buffers of the last step."""
    from wellposed.engine.storage import checkpoint

    _, state, _ = checkpoint.latest(run / "checkpoints")
    average = {key.removeprefix("model/"): v for key, v in state["average"]["weights"].items()}
    return {**state["networks"]["model"], **average}


def test_scenes_are_measured_again_after_all_others(monkeypatch):
    order: list[float] = []
    monkeypatch.setattr(
        Toy, "measure", lambda self, networks, item: order.append(item["clean"].sum()) or {}
    )
    system = Toy(recipe())
    measure(system, {}, ALONE, shared=True)
    sums = [system.item("valid", n)["clean"].sum() for n in (0, 1, 2, 3, 0, 1)]
    assert order == sums


def test_trivial_outputs_are_asked_for_once_a_scene(monkeypatch):
    calls: list[int] = []
    with_trivial(monkeypatch, calls)
    system, known = Toy(recipe()), Trivial()
    for _ in range(3):
        measure(system, system.build(), ALONE, shared=True, trivial=known)
    assert (len(calls), sorted(known)) == (4, [0, 1, 2, 3])


def dropout_stays_on(patch: pytest.MonkeyPatch) -> None:
    """The measurement puts the network back into training mode."""
    real = Toy.measure

    def noisy(self, networks, item):
        networks["model"].train()
        return real(self, networks, item)

    patch.setattr(Toy, "measure", noisy)


def test_a_validation_in_training_mode_is_found_and_named(tmp_path, monkeypatch):
    dropout_stays_on(monkeypatch)
    (first,) = found(train(recipe(), tmp_path / "run"), "WP403")
    assert (first["step"], first["severity"]) == (4, "FAIL")
    assert first["suspects"][0]["name"] == "training mode of model"


def test_findings_of_validations_survive_every_stop(tmp_path, monkeypatch):
    # Draws on, an infinite score, silence that beats the network: the state holds all of it.
    real = Toy.measure

    def bad(self, networks, item):
        scores = dict(real(self, networks, item))
        return {**scores, "closeness": math.inf if item["clean"][0] > 0 else scores["closeness"]}

    with_trivial(monkeypatch, [])
    monkeypatch.setattr(Toy, "measure", bad)
    promise = {"error": {"high": 0.0, "step": 8}}
    made = recipe(validation={"every": 2, "criteria": promise})
    whole = left_by(train(made, tmp_path / "whole"))
    codes = {each["code"] for each in whole["findings"]}
    assert {"WP405", "WP408"} <= codes
    assert left_by(train(made, tmp_path / "stopped", 1, 2, 3, 4, 5, 6, 7)) == whole


def test_a_score_that_is_not_finite_reaches_the_guard_as_it_is(tmp_path, monkeypatch):
    values = {0: math.nan, 1: 1.0, 2: 2.0, 3: math.inf}
    system = Toy(recipe())
    sums = {float(system.item("valid", n)["clean"].sum()): n for n in range(4)}

    def bad(self, networks, item):
        return {"error": values[sums[float(item["clean"].sum())]]}

    monkeypatch.setattr(Toy, "measure", bad)
    (first,) = found(start(Toy, recipe(), tmp_path / "run", None), "WP405")
    assert (first["evidence"]["items"], first["severity"]) == ("0, 3", "FAIL")


def test_a_kept_file_that_is_not_what_was_measured_is_found(tmp_path, monkeypatch):
    real = running.whole_weights

    def other(networks):
        return {name: value * 1.001 for name, value in real(networks).items()}

    monkeypatch.setattr(running, "whole_weights", other)
    (first,) = found(start(Toy, recipe(), tmp_path / "run", None), "WP212")
    assert (first["step"], first["severity"]) == (4, "FAIL")


def test_a_promise_of_the_recipe_is_checked_where_it_is_due(tmp_path):
    promises = {"offset": {"low": 5.0, "step": 5}, "error": {"low": 0.0}}
    run = train(recipe(validation={"criteria": promises}), tmp_path / "run")
    (broken,) = found(run, "WP408")
    assert (broken["step"], broken["severity"]) == (8, "FAIL")
    assert broken["evidence"]["metric"] == "offset"


def test_a_promise_about_what_is_not_measured_is_refused_before_the_run():
    made: ToyRecipe = recipe(validation={"criteria": {"pesq": {"low": 2.0}}})
    with pytest.raises(RecipeError, match=r"criteria: 'pesq' is not measured.*error"):
        direction(Toy(made))


def test_a_healthy_run_of_a_toy_has_no_finding_above_info(tmp_path):
    run = train(recipe(), tmp_path / "run")
    assert [each["code"] for each in found(run) if each["severity"] != "INFO"] == []
