"""Searches whose workers, or whose every process, are killed in the middle."""

import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import optuna
import pytest
from commands import Commands
from optuna.trial import TrialState
from runs import events, left_by
from toy import Toy, ToyRecipe

from wellposed.engine.launch import start
from wellposed.engine.tuning.outcome import best_recipe, outcomes
from wellposed.engine.tuning.study import Sought, TuneFolder, open_study, read_sought

SEARCH = "tune toy --space optimizer.learning_rate=1e-3..1e-1 log --prune none --no-audit"
SIZE = "--trials 3 --workers 2 --training.checkpoint-every 3 --steps"


def studied(folder: Path) -> tuple[optuna.Study, Sought]:
    recipe, axes = read_sought(Toy, folder)
    assert isinstance(recipe, ToyRecipe)
    sought = Sought.of(Toy(recipe), axes)
    return open_study(TuneFolder(folder), sought, None), sought


def running(folder: Path) -> list[tuple[str, int]]:
    """Run folders that are worked at, and by which process, after a few steps of each."""
    if not (folder / "journal.log").exists():
        return []
    trials = studied(folder)[0].get_trials(states=(TrialState.RUNNING,))
    found = [
        (each.user_attrs.get("run", f"{each.number:05d}"), each.user_attrs["lease"]["pid"])
        for each in trials
        if "lease" in each.user_attrs
    ]
    return [(run, pid) for run, pid in found if (folder / "trials" / run / "best").exists()]


def until(happened: Callable[[], object], seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < end
        time.sleep(0.05)


@pytest.mark.slow
def test_a_killed_worker_and_a_killed_search_are_gone_on_with_to_the_same_bits(
    commands: Commands, tmp_path: Path, toys: None
):
    folder = tmp_path / "search"
    first = commands.start(tmp_path, *f"{SEARCH} {SIZE} 24 --dir".split(), folder)
    until(lambda: running(folder))
    (killed, pid), *_ = running(folder)
    os.kill(pid, signal.SIGKILL)
    first.wait_for("another takes its place")
    until(lambda: running(folder))
    pids = [pid for _, pid in running(folder)]
    for each in (first.pid, *pids):
        with suppress(ProcessLookupError):
            os.kill(each, signal.SIGKILL)
    assert first.wait() == -signal.SIGKILL
    status, said = commands.run(tmp_path, "tune", folder, "--trials", "3", "--workers", "2")
    assert status == 0, said
    study, sought = studied(folder)
    found = outcomes(study)
    assert [each.state for each in found] == ["done"] * 3
    retried = next(each for each in found if each.name == killed)
    assert retried.tries >= 2
    assert events(folder / "trials" / killed, "resumed")
    # What a retry is told by its pruner, an uninterrupted trial would have been told.
    assert list(retried.trial.intermediate_values) == list(range(4, 25, 4))
    start(Toy, best_recipe(retried, sought), tmp_path / "whole", None)
    assert left_by(folder / "trials" / killed) == left_by(tmp_path / "whole")


@pytest.mark.slow
def test_a_search_that_is_interrupted_saves_its_trials_and_says_how_to_go_on(
    commands: Commands, tmp_path: Path, toys: None
):
    folder = tmp_path / "search"
    # So long that no trial ends by itself, however busy the machine is.
    command = commands.start(tmp_path, *f"{SEARCH} {SIZE} 1000000 --dir".split(), folder)
    until(lambda: running(folder))
    command.send(signal.SIGTERM)
    assert command.wait() == 128 + signal.SIGTERM
    assert f"go on with `wellposed tune {folder}`" in command.text()
    states = {trial.state for trial in studied(folder)[0].trials}
    assert states == {TrialState.FAIL, TrialState.WAITING}
    assert not any(trial.user_attrs.get("try", 1) > 1 for trial in studied(folder)[0].trials)


@pytest.mark.slow
def test_enhance_is_searched_by_its_own_metric_too(commands: Commands, tmp_path: Path):
    words = "tune enhance --size tiny --space loss.level=0,0.03 --trials 2 --steps 2 --no-audit"
    sizes = "--training.batch-size 2 --scenes.seconds 1 --validation.scenes 2 --dir"
    status, said = commands.run(tmp_path, *f"{words} {sizes}".split(), tmp_path / "search")
    assert status == 0, said
    assert "objective: si_sdr_improvement_db, higher is better" in said
    assert (tmp_path / "search" / "best.yaml").exists()


def test_without_the_package_the_command_says_what_to_install(monkeypatch, capsys):
    from wellposed.cli import main

    monkeypatch.setattr("wellposed.engine.tuning.optional.find_spec", lambda name: None)
    assert main(["tune", "enhance"]) == 1
    assert "wellposed[tune]" in capsys.readouterr().err
