"""A run tells trackers what it writes into its history, and no more."""

import sys
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from toy import Toy, recipe

from wellposed.engine.launch import resume, start
from wellposed.engine.storage.history import read_history
from wellposed.engine.telling import tracking
from wellposed.errors import RecipeError
from wellposed.guard.adapters.trackers import Tracker

READER = "tensorboard.backend.event_processing.event_accumulator"


class Told(Tracker):
    """Keeps what it is told, in one list."""

    def __init__(self) -> None:
        self.calls: list[tuple[Any, ...]] = []

    def numbers(self, step: int, values: Any) -> None:
        self.calls.append(("numbers", step, dict(values)))

    def text(self, step: int, name: str, text: str) -> None:
        self.calls.append(("text", step, name, text))

    def rewind(self, step: int) -> None:
        self.calls.append(("rewind", step))

    def close(self) -> None:
        self.calls.append(("close",))


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> Told:
    made = Told()  # under the name of a package that is always installed
    monkeypatch.setitem(tracking.OPENERS, "json", lambda folder, recipe: made)
    return made


def test_a_tracker_gets_the_rows_of_the_history_with_their_steps(tmp_path: Path, told: Told):
    run = start(Toy, recipe(), tmp_path / "run", None, log_to=["json"])
    rows = read_history(run / "history.jsonl")
    expected: list[tuple[int, dict[str, float]]] = []
    for row in rows:
        if row["kind"] == "train":
            expected.append((row["step"], {f"train/{k}": v for k, v in row["values"].items()}))
        elif row["kind"] == "validation":
            means = {f"valid/{k}": entry["mean"] for k, entry in row["metrics"].items()}
            expected.append((row["step"], means))
    assert expected
    assert [call[1:] for call in told.calls if call[0] == "numbers"] == expected
    events = [call[1:3] for call in told.calls if call[0] == "text" and "events/" in call[2]]
    names = [(row["step"], f"events/{row['event']}") for row in rows if row["kind"] == "event"]
    assert events == names
    assert told.calls[-1] == ("close",)


def test_findings_come_as_text_with_their_step(tmp_path: Path, told: Told):
    run = start(Toy, recipe(), tmp_path / "run", None, log_to=["json"])
    found = [
        (row["step"], f"findings/{row['code']}") for row in read_history(run / "findings.jsonl")
    ]
    texts = [call[1:3] for call in told.calls if call[0] == "text" and "findings/" in call[2]]
    assert texts == found


def test_a_resumed_run_takes_back_what_came_after_its_checkpoint(tmp_path: Path, told: Told):
    run = start(Toy, recipe(), tmp_path / "run", 4)
    assert told.calls == []
    resume(Toy, run, {}, log_to=["json"])
    assert told.calls[0] == ("rewind", 4)
    assert told.calls[1][:3] == ("text", 4, "events/resumed")


def test_wandb_gets_every_row_of_a_killed_and_resumed_run_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    rows: list[dict[str, Any]] = []
    run_of_wandb = SimpleNamespace(
        define_metric=lambda *_, **__: None, log=rows.append, finish=lambda: None
    )
    module: Any = ModuleType("wandb")
    module.__spec__ = ModuleSpec("wandb", None)
    module.init = lambda **options: run_of_wandb
    module.Table = lambda columns, data: list(data)
    monkeypatch.setitem(sys.modules, "wandb", module)
    run = start(Toy, recipe(), tmp_path / "run", 4, log_to=["wandb"])
    for file in run.glob("checkpoints/*"):
        if "00000004" in file.name:
            file.unlink()  # as if the process had been killed before it was written
    resume(Toy, run, {}, log_to=["wandb"])
    told = [(row["step"], sorted(row)) for row in rows if "texts" not in row]
    assert len(told) == len({(step, *names) for step, names in told})
    history = [row for row in read_history(run / "history.jsonl") if row["kind"] != "event"]
    assert [step for step, _ in told] == [row["step"] for row in history]


def test_a_run_without_trackers_has_the_same_bits(tmp_path: Path, told: Told):
    followed = start(Toy, recipe(), tmp_path / "followed", None, log_to=["json"])
    alone = start(Toy, recipe(), tmp_path / "alone", None)
    name = "best/model.safetensors"
    assert (followed / name).read_bytes() == (alone / name).read_bytes()


def test_a_tracker_that_is_unknown_or_not_installed_is_refused_before_there_is_a_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    with pytest.raises(RecipeError, match=r"--log-to mlflow: want one of tensorboard, wandb"):
        start(Toy, recipe(), tmp_path / "run", None, log_to=["mlflow"])
    monkeypatch.setattr(tracking, "find_spec", lambda name: None)
    with pytest.raises(RecipeError, match=r"pip install 'wellposed\[wandb\]', or leave it out"):
        start(Toy, recipe(), tmp_path / "run", None, log_to=["wandb"])
    assert list(tmp_path.iterdir()) == []


def test_the_folder_of_a_run_holds_what_tensorboard_reads(tmp_path: Path):
    reader = pytest.importorskip(READER, reason="tensorboard is not installed")
    run = start(Toy, recipe(), tmp_path / "run", None, log_to=["tensorboard"])
    events = reader.EventAccumulator(str(run / "tensorboard"))
    events.Reload()
    rows = [row for row in read_history(run / "history.jsonl") if row["kind"] == "train"]
    assert [each.step for each in events.Scalars("train/loss")] == [row["step"] for row in rows]
