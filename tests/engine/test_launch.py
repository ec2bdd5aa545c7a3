"""What cannot be trained or resumed is refused: where, what, what to do, and nothing is lost."""

import json
import os
import re
from contextlib import contextmanager
from pathlib import Path

import pytest
from runs import events, left_by, train
from toy import Toy, recipe

from wellposed.engine.launch import resume, start
from wellposed.engine.storage import checkpoint
from wellposed.engine.storage.runfolder import RunFolder
from wellposed.errors import RecipeError, RunError
from wellposed.systems.enhance.system import Enhance


@pytest.fixture
def run(tmp_path):
    """A toy run stopped after four of its eight steps."""
    return start(Toy, recipe(), tmp_path / "run", 4)


def edit(run: Path, old: str, new: str) -> None:
    text = (run / "recipe.yaml").read_text()
    assert text.count(old) == 1, text
    (run / "recipe.yaml").write_text(text.replace(old, new))


def test_an_edited_recipe_is_refused_with_the_keys_and_both_values(run):
    edit(run, "noise: 0.5", "noise: 0.75")
    edit(run, "square: 1.0", "square: 3.0")
    before = left_by(run)
    with pytest.raises(RecipeError) as caught:
        resume(Toy, run, {})
    message = str(caught.value)
    assert "scenes.noise is 0.75, was 0.5" in message
    assert "loss.square is 3.0, was 1.0" in message
    assert str(run / "checkpoints" / "step-00000004.safetensors") in message
    assert left_by(run) == before


def test_an_edit_of_what_may_change_is_taken(run):
    edit(run, "steps: 8", "steps: 10")
    resume(Toy, run, {})
    assert max(checkpoint.steps_of(run / "checkpoints")) == 10


def test_a_recipe_with_a_value_that_is_none_is_refused_by_its_key(run):
    edit(run, "steps: 8", "steps: many")
    with pytest.raises(RecipeError, match=r"recipe\.yaml: training\.steps = 'many'"):
        resume(Toy, run, {})


def test_other_data_is_refused_with_both_digests(tmp_path):
    corpus = tmp_path / "corpus.txt"
    corpus.write_text("the old data")
    run = start(Toy, recipe(data={"path": corpus}), tmp_path / "run", 4)
    corpus.write_text("the new data")
    with pytest.raises(RecipeError, match=r"digest the old data, now the new data"):
        resume(Toy, run, {})
    corpus.write_text("the old data")
    resume(Toy, run, {})


def test_a_key_that_may_not_change_is_refused_with_those_that_may(run):
    with pytest.raises(RecipeError, match=r"keeps loss\.square\. It may change training\.steps"):
        resume(Toy, run, {"loss.square": 2.0})


def test_a_resumed_run_takes_and_keeps_what_may_change(run):
    resume(Toy, run, {"training.refusals_allowed": "3"}, 5)
    assert "refusals_allowed: 3" in (run / "recipe.yaml").read_text()


def test_a_folder_with_a_run_is_not_started_again(run):
    with pytest.raises(RunError, match=rf"already holds a run.*`wellposed resume {run}`"):
        start(Toy, recipe(), run, None)


def test_a_folder_without_a_run_is_not_resumed(tmp_path):
    with pytest.raises(RunError, match=r"is not a run \(no recipe\.yaml in it\)"):
        resume(Toy, tmp_path, {})


def test_a_run_that_is_locked_says_by_whom(run):
    descriptors = RunFolder(run)
    with descriptors.locked(), pytest.raises(RunError, match=f"process {os.getpid()} on "):
        resume(Toy, run, {})
    resume(Toy, run, {})


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    tmp_path.chmod(0o555)
    with without_rights(), pytest.raises(RunError, match=r"no run can be made here: .*not allowed"):
        start(Toy, recipe(), tmp_path / "run", None)


@contextmanager
def without_rights():
    """Stop being root for a while; for others nothing changes."""
    root = os.geteuid() == 0
    if root:
        os.seteuid(65534)
    try:
        yield
    finally:
        if root:
            os.seteuid(0)


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"training": {"batch_size": 5, "accumulate": 2}}, "batch_size = 5 cannot be divided"),
        ({"validation": {"select": "beauty"}}, "'beauty' cannot choose a checkpoint: want one of "
         "error, closeness"),
        ({"validation": {"select": "offset"}}, "'offset' cannot choose a checkpoint"),
        ({"training": {"device": "quantum"}}, "'quantum': want auto, cpu, cuda or cuda:N"),
    ],
)  # fmt: skip
def test_what_cannot_be_trained_is_refused_before_there_is_a_folder(changes, complaint, tmp_path):
    with pytest.raises(RecipeError, match=re.escape(complaint)):
        start(Toy, recipe(**changes), tmp_path / "run", None)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("metric", "complaint"),
    [("pesq_bw", "unknown metric 'pesq_bw', did you mean 'pesq_wb'"),
     ("level_error_db", "'level_error_db' cannot choose a checkpoint: want one of")],
)  # fmt: skip
def test_the_enhance_system_refuses_metrics_that_cannot_choose(metric, complaint, tmp_path):
    made = Enhance.recipe_type.model_validate({"validation": {"select": metric}})
    with pytest.raises(RecipeError, match=complaint):
        start(Enhance, made, tmp_path / "run", None)
    assert not (tmp_path / "run").exists()


def test_a_full_disk_ends_the_run_with_its_checkpoints_whole_and_it_can_go_on(
    commands, tmp_path, run
):
    whole = left_by(train(recipe(), tmp_path / "whole"))
    size = (run / "checkpoints" / "step-00000004.safetensors").stat().st_size
    before = sorted(path.name for path in (run / "checkpoints").iterdir())
    status, text = commands.run(tmp_path, "resume", run, file_size=size - 1)
    assert status == 1
    assert "no space left" in text
    assert f"go on with `wellposed resume {run}`" in text
    assert "Traceback" not in text
    assert sorted(path.name for path in (run / "checkpoints").iterdir()) == before
    resume(Toy, run, {})
    assert left_by(run) == whole


def test_a_full_disk_at_the_start_is_an_error_of_one_line(commands, tmp_path):
    status, text = commands.run(tmp_path, "train", "toy", "--run", tmp_path / "run", file_size=400)
    assert status == 1
    assert re.search(r"wellposed train: .*not written: no space left", text), text
    assert "Traceback" not in text


def test_another_machine_is_named_at_a_resume(run):
    file = run / "environment.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"torch": "1.0", "threads": 7}))
    resume(Toy, run, {}, 5)
    (message,) = events(run, "resumed")
    assert re.search(r"not bit for bit, since torch 1\.0 -> .*, threads 7 -> 1$", message), message


def test_the_same_machine_is_not_mentioned_whatever_threads_the_process_had(run):
    resume(Toy, run, {}, 5)
    assert events(run, "resumed") == ["from step-00000004.safetensors"]


def test_a_lost_environment_is_no_obstacle(run):
    (run / "environment.json").unlink()
    resume(Toy, run, {}, 5)
    assert json.loads((run / "environment.json").read_text())["device"] == "cpu"
