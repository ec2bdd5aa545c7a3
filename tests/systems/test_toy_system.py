"""A new system is a new folder and one line in the registry: a toy one is all that others are."""

import json
from pathlib import Path

import pytest

from wellposed.cli import main
from wellposed.engine.storage.history import read_history
from wellposed.errors import RecipeError
from wellposed.systems import SYSTEMS, system_type


@pytest.fixture(autouse=True)
def registered(monkeypatch: pytest.MonkeyPatch) -> None:
    """The folder of the toy, and its line."""
    monkeypatch.syspath_prepend(str(Path(__file__).parents[1] / "engine"))
    monkeypatch.setitem(SYSTEMS, "toy", "toy:Toy")


def test_it_is_trained_resumed_replayed_and_reported_from_the_command_line(tmp_path, capsys):
    run = tmp_path / "run"
    flags = ["--model.hidden", "3", "--loss.size", "0.2", "--training.batch-size", "2"]
    assert main(["train", "toy", "--run", str(run), "--steps", "6", "--until", "4", *flags]) == 0
    assert main(["resume", str(run), "--set", "training.workers", "2"]) == 0
    history = read_history(run / "history.jsonl")
    assert [row["step"] for row in history if row["kind"] == "train"] == [2, 4, 6]
    names = {name for row in history if row["kind"] == "train" for name in row["values"]}
    assert {"loss", "loss/square", "loss/size", "gradient_norm"} <= names
    assert {row["event"] for row in history if row["kind"] == "event"} == {
        "started", "stopped", "resumed", "finished"
    }  # fmt: skip
    text = (run / "recipe.yaml").read_text()
    for line in ("system: toy", "hidden: 3", "size: 0.2", "batch_size: 2", "workers: 2"):
        assert line in text
    assert json.loads((run / "examples" / "estimate.txt").read_text())
    assert (run / "best" / "model.safetensors").exists()
    assert (run / "report.html").stat().st_size > 1000
    capsys.readouterr()
    assert main(["replay", str(run), "--step", "5"]) == 0
    assert "gradient_norm" in capsys.readouterr().out


def test_its_recipe_file_and_its_sizes_are_known(tmp_path, capsys):
    file = tmp_path / "mine.yaml"
    file.write_text("system: toy\ntraining: {steps: 2}\n")
    run = tmp_path / "run"
    assert main(["train", str(file), "--run", str(run), "--size", "tiny"]) == 0
    assert "hidden: 2" in (run / "recipe.yaml").read_text()
    assert main(["train", str(file), "--size", "huge"]) == 1
    assert "there are tiny, wide" in capsys.readouterr().err
    assert main(["show", "toy"]) == 0
    assert "hidden: 5" in capsys.readouterr().out


def test_a_name_that_is_not_registered_is_refused_with_the_nearest():
    with pytest.raises(RecipeError, match="unknown system 'toyy', did you mean toy"):
        system_type("toyy")
