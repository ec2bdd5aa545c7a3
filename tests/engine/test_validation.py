"""Scores repeat bit for bit, are of the weights that are kept, and choose by what was named."""

import json
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from runs import rows, train
from toy import CPU, Toy, recipe

from wellposed.engine.distributed import World
from wellposed.engine.launch import resume, start
from wellposed.engine.sections import Validation
from wellposed.engine.storage import checkpoint
from wellposed.engine.storage.history import read_history
from wellposed.engine.storage.modelfile import load_model, save_model
from wellposed.engine.use import load_networks
from wellposed.engine.validation import Rows, Selection, scenes_hash, summary, validate
from wellposed.errors import CheckpointError

ALONE = World(0, 1, CPU)


def scores(*values: float | None) -> Rows:
    return {number: {"error": value} for number, value in enumerate(values)}


def test_the_same_weights_give_the_same_rows_and_the_same_intervals():
    system = Toy(recipe())
    networks = system.build()
    first, second = (validate(system, networks, ALONE, shared=True) for _ in range(2))
    assert first == second
    assert json.dumps(summary(first, 0)) == json.dumps(summary(second, 0))
    assert list(first) == [0, 1, 2, 3]


def test_networks_are_measured_without_dropout_and_left_as_they_were():
    system = Toy(recipe(model={"dropout": 0.9}))
    networks = system.build()
    validate(system, networks, ALONE, shared=True)
    assert networks["model"].training
    assert networks["model"].state_dict()["calls"].item() == 0
    for parameter in networks["model"].parameters():
        assert parameter.grad is None


def test_a_score_that_is_not_finite_is_counted_as_failed_and_in_no_mean(monkeypatch):
    values = iter([1.0, float("nan"), None, float("inf")])
    monkeypatch.setattr(Toy, "measure", lambda self, networks, item: {"error": next(values)})
    found = validate(Toy(recipe()), {}, ALONE, shared=True)
    assert found == scores(1.0, None, None, None)
    entry = summary(found, 0)["error"]
    assert (entry["mean"], entry["n"], entry["failed"]) == (1.0, 1, 3)


@pytest.mark.parametrize(
    "changes",
    [
        {"seed": 1},
        {"validation": {"scenes": 5}},
        {"scenes": {"noise": 0.4}},
        {"data": {"path": Path(__file__)}},
    ],
)
def test_the_hash_of_the_scenes_changes_with_all_that_they_depend_on(changes):
    assert scenes_hash(Toy(recipe(**changes))) != scenes_hash(Toy(recipe()))


@pytest.mark.parametrize(
    "changes",
    [
        {"training": {"steps": 9, "batch_size": 2}},
        {"optimizer": {"learning_rate": 1.0}},
        {"loss": {"square": 2.0}},
        {"validation": {"every": 3, "select": "closeness"}},
    ],
)
def test_the_hash_of_the_scenes_changes_with_nothing_else(changes):
    assert scenes_hash(Toy(recipe(**changes))) == scenes_hash(Toy(recipe()))


def test_every_row_bears_the_hash(tmp_path):
    run = train(recipe(), tmp_path / "run")
    hashes = [row["scenes"] for row in rows(run) if row["kind"] == "validation"]
    assert hashes == [scenes_hash(Toy(recipe()))] * 2


def consider(better: str, *validations: Rows, **settings: Any) -> tuple[Selection, list[bool]]:
    selection = Selection("error", better, "hash")
    settled = Validation(select="error", **settings)
    step = partial(selection.consider, recipe=settled, seed=0)
    return selection, [step(number, found) for number, found in enumerate(validations, 1)]


@pytest.mark.parametrize(("better", "wanted"), [("higher", 2), ("lower", 3)])
def test_the_best_is_the_highest_or_the_lowest_mean_as_the_metric_says(better, wanted):
    selection, _ = consider(better, scores(2, 2), scores(4, 4), scores(1, 1), scores(3, 3))
    assert selection.step == wanted


def test_a_gain_below_the_smallest_that_counts_is_none():
    found = consider("lower", scores(2, 2), scores(1.6, 1.6), scores(1.4, 1.4), minimum_gain=0.5)
    assert found[1] == [True, False, True]


def test_undefined_scores_leave_the_others_to_decide_and_none_at_all_decide_nothing():
    selection, best = consider("lower", scores(None, None), scores(None, 3), scores(2, None))
    assert best == [False, True, True]
    assert (selection.step, selection.value) == (3, 2.0)


def test_patience_counts_what_is_surely_no_better_and_noise_starts_it_anew():
    # Gains over the best, scene by scene: -1, -1, -1, -1 is sure; +3, -5, +3, -5 is not.
    best, sure, noisy = scores(1, 1, 1, 1), scores(2, 2, 2, 2), scores(4, -4, 4, 0.5)
    for validations, waiting in (
        ((best, sure, sure), 2),
        ((best, sure, noisy), 0),
        ((best, sure, noisy, sure), 1),
        ((best, sure, best), 0),
    ):
        selection, _ = consider("lower", *validations)
        assert selection.waiting == waiting
    selection, _ = consider("lower", best, sure, sure)
    assert [selection.exhausted(Validation(patience=n)) for n in (0, 1, 2, 3)] == [
        False, True, True, False
    ]  # fmt: skip


def test_a_new_best_starts_patience_anew():
    selection, _ = consider("lower", scores(3, 3), scores(5, 5), scores(1, 1))
    assert (selection.step, selection.waiting) == (3, 0)


def test_what_is_validated_kept_as_best_and_loaded_is_the_average(tmp_path, monkeypatch):
    measured: list[dict[str, torch.Tensor]] = []
    measure = Toy.measure

    def spy(self, networks, item):
        own = networks["model"].state_dict()
        measured.append({f"model/{name}": value.clone() for name, value in own.items()})
        return measure(self, networks, item)

    monkeypatch.setattr(Toy, "measure", spy)
    made = recipe(validation={"every": 8})
    run = start(Toy, made, tmp_path / "run", None)
    _, state, _ = checkpoint.latest(run / "checkpoints")
    average, live = state["average"]["weights"], state["networks"]["model"]
    kept, card = load_model(run / "best" / "model.safetensors")
    networks, _ = load_networks(Toy(made), run / "best" / "model.safetensors")
    loaded = {f"model/{name}": v for name, v in networks["model"].state_dict().items()}
    assert card["step"] == 8
    for name, value in average.items():
        for found in (measured[0], measured[3], kept, loaded):
            assert torch.equal(found[name], value)
        assert not torch.equal(live[name.removeprefix("model/")], value)
    # A buffer is not averaged: it is the one of the last step.
    assert torch.equal(kept["model/calls"], live["calls"])
    assert not any(module.training for module in networks["model"].modules())


def test_training_goes_on_with_the_live_weights_after_a_validation(tmp_path):
    # Validations in between change no bit of what is learned.
    often = train(recipe(validation={"every": 1}), tmp_path / "often")
    seldom = train(recipe(validation={"every": 8}), tmp_path / "seldom")
    states = [checkpoint.latest(run / "checkpoints")[1] for run in (often, seldom)]
    for name, value in states[0]["networks"]["model"].items():
        assert torch.equal(value, states[1]["networks"]["model"][name])
    assert len([row for row in rows(often) if row["kind"] == "validation"]) == 8


def test_a_worse_validation_leaves_the_best_file_alone(tmp_path, monkeypatch):
    values = iter([1.0] * 4 + [2.0] * 100)
    monkeypatch.setattr(Toy, "measure", lambda self, networks, item: {"error": next(values)})
    run = start(Toy, recipe(), tmp_path / "run", None)
    assert load_model(run / "best" / "model.safetensors")[1]["step"] == 4
    flags = [r["best"] for r in read_history(run / "history.jsonl") if r["kind"] == "validation"]
    assert flags == [True, False]


def test_a_best_on_another_list_of_scenes_is_not_compared_with(tmp_path):
    for scenes, step in (("another list", 8), (scenes_hash(Toy(recipe())), 4)):
        run = start(Toy, recipe(), tmp_path / scenes, 4)
        _, state, _ = checkpoint.latest(run / "checkpoints")
        # Nothing can beat it where it may be compared.
        state["selection"] |= {"scenes": scenes, "value": -1e9}
        checkpoint.save(run / "checkpoints", 4, state)
        resume(Toy, run, {})
        assert load_model(run / "best" / "model.safetensors")[1]["step"] == step


def test_weights_that_do_not_fit_are_refused_with_the_first_that_differs(tmp_path):
    networks = Toy(recipe(model={"hidden": 3})).build()
    file = tmp_path / "model.safetensors"
    tensors = {f"model/{name}": value for name, value in networks["model"].state_dict().items()}
    save_model(file, tensors, {})
    with pytest.raises(CheckpointError, match=r"differences is out\.weight of shape \(1, [35]\)"):
        load_networks(Toy(recipe()), file)
