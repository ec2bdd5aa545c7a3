"""The system in the engine: a run, its choice of the best, its audit."""

import json

import pytest
import torch
from little_extractor import little_recipe

from wellposed.cli import main
from wellposed.engine.distributed import World
from wellposed.engine.problem import problem_of
from wellposed.engine.recipe import changed, dump
from wellposed.engine.sections import Promise, Validation
from wellposed.engine.storage.modelfile import load_model
from wellposed.engine.validation import Selection, validate
from wellposed.guard.audit.problem import audit_problem
from wellposed.metrics.extraction import equal_error
from wellposed.systems.extract.system import ExtractSystem, presence_logits

CONNECTED = ("parameters_move", "inputs_reach", "parts_meet", "label_leak", "paths_agree",
             "rate_arrives", "future_leak")  # fmt: skip


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run of eight steps in two phases."""
    folder = tmp_path_factory.mktemp("run")
    recipe = changed(
        little_recipe(),
        {"scenes.present": 4, "scenes.partial": 0, "scenes.absent": 0, "training.steps": 8,
         "validation.every": 4, "training.checkpoint_every": 4, "training.log_every": 2,
         "curriculum": [{"from_step": 4, "changes": {
             "scenes.present": 2, "scenes.partial": 1, "scenes.absent": 1}}]},
        "test",
    )  # fmt: skip
    (folder / "recipe.yaml").write_text(dump(recipe))
    # Eight steps are too few for anything to be learned, and the audit would say so.
    command = ["train", str(folder / "recipe.yaml"), "--run", str(folder / "run"), "--no-audit"]
    assert main(command) == 0
    return folder / "run"


def test_a_run_goes_through_both_phases_and_keeps_a_calibrated_threshold(run):
    rows = [json.loads(line) for line in (run / "history.jsonl").read_text().splitlines()]
    trained = {key for row in rows for key in row.get("values", {})}
    assert {"loss/snr", "loss/absent", "loss/presence", "loss/anchor"} <= trained
    tensors, card = load_model(run / "best" / "model.safetensors")
    assert card["system"] == "extract"
    assert float(tensors["model/threshold"]) != 0


def test_the_problem_is_connected_does_not_leak_and_use_agrees_with_training():
    audit = audit_problem(problem_of(ExtractSystem(little_recipe())), only=CONNECTED)
    assert audit.findings == ()


def test_the_causal_problem_keeps_to_its_look_ahead():
    problem = problem_of(ExtractSystem(changed(little_recipe(), {"model.causal": True}, "test")))
    (answer,) = audit_problem(problem, only=("future_leak",)).answers
    assert answer.word == "ok"


def test_the_threshold_is_where_both_errors_are_alike_on_the_validation_list():
    system = ExtractSystem(little_recipe())
    networks = system.build()
    rows = validate(system, networks, World(0, 1, torch.device("cpu")), shared=False)
    system.calibrate(networks, rows)
    present, absent = presence_logits(rows.values())
    assert (len(present), len(absent)) == (5, 3)
    threshold = networks["model"].get_buffer("threshold")
    assert float(threshold) == pytest.approx(equal_error(present, absent)[1])


def test_scores_belong_to_the_segments_of_a_scene():
    system = ExtractSystem(little_recipe())
    networks = system.build()
    with torch.no_grad():
        rows = [system.measure(networks, system.item("valid", number)) for number in range(4)]
    for number, row in enumerate(rows):
        absent, partial = number == 1, number == 3
        assert (row["si_sdr_improvement_db"] is None) == absent
        assert (row["absent_attenuation_db"] is None) == (not absent and not partial)
        assert (row["miss"] is None) == absent


def rows_of(improvement: float, level: float) -> dict[int, dict[str, float | None]]:
    return {0: {"si_sdr_improvement_db": improvement, "level_error_db": level}}


def test_the_best_is_chosen_among_those_that_keep_binding_promises():
    promise = Promise(low=-0.5, high=0.5, step=100, binding=True)
    recipe = Validation(criteria={"level_error_db": promise})
    selection = Selection("si_sdr_improvement_db", "higher", "scenes")
    assert selection.consider(1, rows_of(5.0, -3.0), recipe, 0)  # nothing better yet
    assert selection.consider(2, rows_of(6.0, -3.0), recipe, 0)
    assert selection.consider(3, rows_of(4.0, 0.2), recipe, 0)  # worse, but at the right level
    assert not selection.consider(4, rows_of(9.0, -3.0), recipe, 0)
    assert selection.consider(5, rows_of(4.5, 0.4), recipe, 0)
    assert (selection.step, selection.within) == (5, True)


def test_a_promise_that_does_not_bind_chooses_nothing():
    recipe = Validation(criteria={"level_error_db": Promise(low=-0.5)})
    selection = Selection("si_sdr_improvement_db", "higher", "scenes")
    assert selection.consider(1, rows_of(5.0, -3.0), recipe, 0)
    assert not selection.consider(2, rows_of(4.0, 0.0), recipe, 0)
