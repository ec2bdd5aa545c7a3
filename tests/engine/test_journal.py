"""What is written down: means over an interval, no line twice, nothing of a lost future."""

import re
from typing import Any

import pytest
import torch
from runs import events, rows, train
from toy import Toy, recipe

from wellposed.engine.distributed import World
from wellposed.engine.journal import Journal
from wellposed.engine.launch import resume, start
from wellposed.engine.run import Run
from wellposed.engine.state import Moving
from wellposed.engine.storage.history import read_history
from wellposed.engine.storage.runfolder import RunFolder
from wellposed.guard import Finding, Severity


@pytest.fixture
def journal(tmp_path):
    """A journal in a folder of its own."""
    return Journal(RunFolder.create(tmp_path / "run", "toy"), recipe(), leads=True)


@pytest.fixture
def moving(tmp_path) -> Moving:
    """The state of a run at its start."""
    made = recipe()
    folder, world = RunFolder(tmp_path / "run"), World(0, 1, torch.device("cpu"))
    return Run(Toy(made), folder, world, Journal(folder, made, leads=False)).moving


def history(journal: Journal) -> list[dict[str, Any]]:
    return read_history(journal._history.path)


def finding(step: int) -> Finding:
    return Finding("WP301", "bad", Severity.FAIL, step, step, {})


def test_a_row_holds_means_since_the_last_row_each_over_the_steps_that_had_it(journal, moving):
    # The norm is missing where it overflowed: (1 + 3) / 2, not (1 + 3) / 3.
    for loss, norm in ((1.0, 1.0), (2.0, None), (6.0, 3.0)):
        values = {"loss": torch.tensor(loss)}
        journal.collect(values if norm is None else values | {"gradient_norm": torch.tensor(norm)})
    moving.step, moving.seconds = 3, 2.0
    journal.progress(moving, rate=0.5, batch_size=4)
    journal.collect({"loss": torch.tensor(7.0)})
    moving.step, moving.seconds = 4, 3.0
    journal.progress(moving, rate=0.5, batch_size=4)
    first, second = (row["values"] for row in history(journal))
    assert first == {"loss": 3.0, "gradient_norm": 2.0, "learning_rate": 0.5, "items_per_s": 6.0}
    assert second == {"loss": 7.0, "learning_rate": 0.5, "items_per_s": 4.0}


def test_right_after_a_resume_the_speed_is_that_of_the_steps_since(journal, moving):
    moving.step, moving.seconds = 100, 50.0
    journal.rewind(moving, None)
    moving.step, moving.seconds = 102, 52.0
    journal.progress(moving, rate=0.5, batch_size=8)
    assert history(journal)[0]["values"]["items_per_s"] == 8.0


def test_what_was_collected_before_a_checkpoint_is_in_the_row_after_it(journal, moving):
    journal.collect({"loss": torch.tensor(1.0)})
    state = journal.state()
    journal.collect({"loss": torch.tensor(100.0)})  # of a future that is lost
    journal.rewind(moving, state)
    journal.collect({"loss": torch.tensor(2.0)})
    journal.progress(moving, rate=0.5, batch_size=1)
    assert history(journal)[0]["values"]["loss"] == 1.5


def test_findings_are_written_once(journal, moving):
    moving.guard.findings.append(finding(3))
    journal.findings(moving)
    journal.findings(moving)
    moving.guard.findings.append(finding(5))
    journal.findings(moving)
    assert [row["step"] for row in read_history(journal._findings.path)] == [3, 5]


def test_rewinding_keeps_what_the_checkpoint_knows_and_removes_what_it_does_not(journal, moving):
    for step in (3, 6, 9):
        moving.step = step
        journal.event(moving, "refused", f"after {step}")
        # The finding is of the step before the count: number step - 1.
        moving.guard.findings.append(finding(step - 1))
        journal.findings(moving)
    moving.step = 6
    moving.guard.findings[:] = moving.guard.findings[:2]
    journal.rewind(moving, None)
    assert [row["step"] for row in history(journal)] == [3, 6]
    assert [row["step"] for row in read_history(journal._findings.path)] == [2, 5]
    # What is found again is written again, once.
    moving.guard.findings.append(finding(8))
    journal.findings(moving)
    assert [row["step"] for row in read_history(journal._findings.path)] == [2, 5, 8]


def test_a_rank_that_does_not_lead_writes_nothing(tmp_path, moving):
    folder = RunFolder(tmp_path / "silent")
    folder.path.mkdir()
    silent = Journal(folder, recipe(), leads=False)
    silent.collect({"loss": torch.tensor(1.0)})
    silent.progress(moving, 0.5, 4)
    silent.event(moving, "started", "")
    silent.findings(moving)
    silent.validation(moving, {}, best=False)
    silent.rewind(moving, None)
    assert list(folder.path.iterdir()) == []


def test_an_abandoned_future_leaves_neither_rows_nor_findings(tmp_path, monkeypatch):
    whole = train(recipe(), tmp_path / "whole")
    terms = Toy.terms

    def bad(self, player, networks, batch, moment):
        made = terms(self, player, networks, batch, moment)
        return {k: v * float("nan") if moment.step == 6 else v for k, v in made.items()}

    with monkeypatch.context() as patch:
        patch.setattr(Toy, "terms", bad)
        run = start(Toy, recipe(), tmp_path / "run", 7)
    # Back to step 6, where all was well.
    (run / "checkpoints" / "step-00000007.safetensors").unlink()
    assert len(read_history(run / "findings.jsonl")) == 1
    resume(Toy, run, {})
    assert read_history(run / "findings.jsonl") == []
    assert rows(run) == rows(whole)
    assert events(run, "refused") == []


def test_a_pipe_gets_plain_lines_one_per_interval(commands, tmp_path):
    run = tmp_path / "run"
    status, text = commands.run(
        tmp_path, "train", "toy", "--run", run, "--no-audit", environment={"TERM": "xterm-256color"}
    )
    assert status == 0, text
    log = (run / "log.txt").read_text()
    for said in (text, log):
        assert "\r" not in said
        assert "\x1b" not in said
        assert re.findall(r"step (\d+)/8 loss", said) == ["2", "4", "6", "8"]
        assert re.findall(r"step (\d+)/8 validation", said) == ["4", "8"]
        assert len(said.splitlines()) <= 12
    assert text.startswith(log)
    lines = [line for line in log.splitlines() if "guard ok" in line]
    for line in lines:
        assert re.fullmatch(
            r"\d\d:\d\d:\d\d step \d/8 loss \S+ square \S+ size \S+ grad \S+ lr \S+ \S+ items/s "
            r"left \d\d:\d\d:\d\d guard ok",
            line,
        ), line
