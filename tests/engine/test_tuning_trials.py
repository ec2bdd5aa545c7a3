"""Trials in this process: leases, retries, pruning, failures, and what is told of them."""

import signal
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import optuna
import pytest
import yaml
from optuna.trial import TrialState
from runs import events
from toy import Toy, ToyRecipe, recipe

from wellposed.engine.recipe import load
from wellposed.engine.tuning.lease import Lease, first_tries, give_back, reclaim
from wellposed.engine.tuning.outcome import (
    as_yaml,
    best_of,
    best_recipe,
    differing,
    outcomes,
    table,
    write_outcome,
)
from wellposed.engine.tuning.space import axes_of
from wellposed.engine.tuning.study import Sought, TuneFolder, open_study, read_sought
from wellposed.engine.tuning.worker import Task, distributions, enqueue_recipe, serve
from wellposed.errors import RecipeError, RunError

SPACE = {"optimizer.learning_rate": "1e-3..1e30 log", "model.hidden": "2,5"}
GOOD = {"optimizer.learning_rate": 0.05, "model.hidden": "5"}


def task_in(path: Path, made: ToyRecipe | None = None, **changes: Any) -> Task:
    """A search of the toy in `path`, whose folder is made."""
    made = made or recipe()
    sought = Sought.of(Toy(made), axes_of(SPACE, made))
    task = replace(Task(TuneFolder(path / "search"), sought, trials=2), **changes)
    task.folder.prepare(sought)
    return task


def studied(task: Task) -> optuna.Study:
    return open_study(task.folder, task.sought, task.url)


def served(task: Task) -> optuna.Study:
    with task.folder.joined() as name:
        serve(task, name)
    return studied(task)


def begun(task: Task, study: optuna.Study) -> optuna.Trial:
    """A trial that somebody has taken."""
    study.enqueue_trial(GOOD)
    return study.ask(distributions(task.sought.axes))


def test_a_search_runs_the_recipe_as_it_stands_first_and_tells_the_best(tmp_path):
    task = task_in(tmp_path, prune="none")
    enqueue_recipe(task, studied(task))
    study = served(task)
    first, second = outcomes(study)
    assert first.trial.params == GOOD
    assert first.trial.user_attrs["recipe_as_it_stands"]
    assert sorted(first.trial.intermediate_values) == [4, 8]
    assert {first.state, second.state} <= {"done", "failed"}
    best = best_of([first, second], task.sought)
    assert best is not None
    values = [each.trial.value for each in (first, second) if each.trial.value is not None]
    assert best.trial.value == min(values)
    assert f"{best.name}*" in table([first, second], task.sought)
    write_outcome(task.folder, [first, second], task.sought)
    written = load(ToyRecipe, task.folder.path / "best.yaml")
    assert written == best_recipe(best, task.sought)
    assert len((task.folder.path / "trials.csv").read_text().splitlines()) == 3


def test_a_signal_after_the_last_step_of_a_trial_ends_its_worker(tmp_path, monkeypatch):
    def signalled(self: Toy, networks: Any, folder: Path) -> None:
        signal.raise_signal(signal.SIGTERM)

    monkeypatch.setattr(Toy, "show_examples", signalled)
    task = task_in(tmp_path, prune="none")
    enqueue_recipe(task, studied(task))
    with pytest.raises(SystemExit):
        served(task)
    assert [trial.state for trial in studied(task).trials] == [TrialState.COMPLETE]


def test_a_trial_has_the_value_of_the_best_checkpoint_of_an_ordinary_run(tmp_path):
    task = task_in(tmp_path, trials=1)
    enqueue_recipe(task, studied(task))
    (only,) = outcomes(served(task))
    run = task.folder.trials / only.name
    history = [yaml.safe_load(line) for line in (run / "history.jsonl").read_text().splitlines()]
    scores = [row["metrics"]["error"]["mean"] for row in history if row["kind"] == "validation"]
    assert only.trial.value == min(scores)
    assert list(only.trial.intermediate_values.values()) == scores


def test_a_trial_that_is_worse_than_the_median_is_pruned_and_says_so(tmp_path):
    task = task_in(tmp_path, recipe(schedule={"warmup_steps": 0}), trials=1)
    study = studied(task)
    for _ in range(5):
        study.add_trial(
            optuna.trial.create_trial(
                params=GOOD,
                distributions=distributions(task.sought.axes),
                intermediate_values={4: 1e-6, 8: 1e-7},
                value=1e-7,
                user_attrs={"retry_of": -1},
            )
        )
    study.enqueue_trial(GOOD)
    study = served(task)
    trial = study.trials[-1]
    assert trial.state == TrialState.PRUNED
    assert list(trial.intermediate_values) == [4]
    run = task.folder.trials / f"{trial.number:05d}"
    (said,) = events(run, "stopped")
    assert "at step 4 of 8, pruned: worse than what others had by then" in said
    assert "pruned" in table(outcomes(study), task.sought)


def test_a_run_that_fails_is_a_failed_trial_with_its_reason_and_no_retry(tmp_path):
    task = task_in(tmp_path, recipe(training={"refusals_allowed": 0}), trials=1)
    study = studied(task)
    study.enqueue_trial({**GOOD, "optimizer.learning_rate": 1e30})
    (trial,) = served(task).trials
    assert trial.state == TrialState.FAIL
    assert "not finite" in trial.user_attrs["ended"]


def test_a_trial_of_a_dead_worker_is_failed_and_enqueued_again_once(tmp_path):
    task = task_in(tmp_path)
    study = studied(task)
    trial = begun(task, study)
    with task.folder.joined() as name:
        Lease(trial, name, 100).renew()
        reclaim(study, task.folder, tries=3, seconds=100)
        assert [each.state for each in study.trials] == [TrialState.RUNNING]
    for _ in range(2):
        reclaim(study, task.folder, tries=3, seconds=100)
    lost, retry = study.trials
    assert lost.state == TrialState.FAIL
    assert name in lost.user_attrs["ended"]
    assert retry.state == TrialState.WAITING
    assert retry.user_attrs == {"run": "00000", "try": 2, "retry_of": 0}
    assert study.ask(distributions(task.sought.axes)).params == GOOD
    assert len(first_tries(study)) == 1


def test_a_kill_between_the_two_acts_of_giving_back_doubles_nothing(tmp_path):
    task = task_in(tmp_path)
    study = studied(task)
    begun(task, study)
    (running,) = study.get_trials()
    study.enqueue_trial(GOOD, user_attrs={"run": "00000", "try": 2, "retry_of": 0})
    give_back(study, running, "died", tries=3)
    assert [each.state for each in study.trials] == [TrialState.FAIL, TrialState.WAITING]
    give_back(study, running, "died", tries=3)
    assert len(study.trials) == 2


def test_a_worker_elsewhere_is_believed_until_its_lease_is_over(tmp_path):
    task = task_in(tmp_path)
    study = studied(task)
    trial = begun(task, study)
    trial.set_user_attr("lease", {"worker": "far", "pid": 1, "expires": time.time() + 100})
    reclaim(study, task.folder, tries=3, seconds=100)
    assert study.trials[0].state == TrialState.RUNNING
    trial.set_user_attr("lease", {"worker": "far", "pid": 1, "expires": time.time() - 1})
    reclaim(study, task.folder, tries=3, seconds=100)
    assert study.trials[0].state == TrialState.FAIL


def test_a_trial_whose_workers_always_die_is_given_up_and_one_that_was_stopped_is_not(tmp_path):
    study = studied(task := task_in(tmp_path))
    begun(task, study)
    for number in range(4):
        give_back(study, study.trials[number], "stopped", tries=0)
        study.ask(distributions(task.sought.axes))
    assert study.trials[-1].user_attrs["try"] == 1
    for number in (4, 5):
        give_back(study, study.trials[number], "died", tries=2)
        study.ask(distributions(task.sought.axes)) if number == 4 else None
    assert len(study.trials) == 6
    assert "given up after 2 tries" in study.trials[5].user_attrs["ended"]


def test_a_lease_is_renewed_and_lost_when_somebody_else_has_ended_the_trial(tmp_path):
    study = studied(task := task_in(tmp_path))
    trial = begun(task, study)
    with Lease(trial, "me", 0.4) as lease:
        first = study.trials[0].user_attrs["lease"]["expires"]
        until(lambda: study.trials[0].user_attrs["lease"]["expires"] > first)
        assert not lease.lost
        study.tell(0, state=TrialState.FAIL)
        until(lambda: lease.lost)


def test_a_line_that_a_killed_writer_left_torn_is_cut_off(tmp_path):
    study = studied(task := task_in(tmp_path))
    begun(task, study)
    with (task.folder.path / "journal.log").open("ab") as file:
        file.write(b'{"op_code": 4, "worker')
    study = studied(task)
    begun(task, study)
    assert len(study.trials) == 2


@pytest.mark.parametrize("garbage", [b"garbage", b"garbage\n", b"garbage\n{}\n"])
def test_a_line_that_no_kill_leaves_is_told_with_its_number_and_stays(tmp_path, garbage):
    studied(task := task_in(tmp_path))
    journal = task.folder.path / "journal.log"
    damaged = journal.read_bytes() + garbage
    journal.write_bytes(damaged)
    number = damaged.count(b"\n", 0, damaged.index(b"garbage")) + 1
    with pytest.raises(RunError, match=rf"journal\.log, line {number}: found b'garbage"):
        studied(task)
    assert journal.read_bytes() == damaged


def test_the_same_search_goes_on_and_another_is_refused_with_the_difference(tmp_path):
    task = task_in(tmp_path)
    task_in(tmp_path)
    kept, axes = read_sought(Toy, task.folder.path)
    assert (kept, axes) == (task.sought.recipe, task.sought.axes)
    with pytest.raises(RecipeError, match=r"recipe\.optimizer\.eps is 0\.1, was 1e-08"):
        task_in(tmp_path, recipe(optimizer={"learning_rate": 0.05, "eps": 0.1}))


def test_a_folder_with_other_files_is_left_alone(tmp_path):
    (tmp_path / "search").mkdir()
    (tmp_path / "search" / "thesis.tex").touch()
    with pytest.raises(RunError, match=r"thesis\.tex"):
        task_in(tmp_path)


def test_a_database_serves_as_well_as_a_journal(tmp_path):
    task = task_in(tmp_path, url=f"sqlite:///{tmp_path}/trials.db", trials=1)
    enqueue_recipe(task, studied(task))
    (only,) = outcomes(served(task))
    assert only.done
    assert not (task.folder.path / "journal.log").exists()


def test_a_database_that_cannot_be_opened_is_named_without_its_password(tmp_path):
    task = task_in(tmp_path, url="nosuch://me:secret@host/name")
    with pytest.raises(RunError, match="host/name") as caught:
        studied(task)
    assert "secret" not in str(caught.value)


def test_the_difference_of_two_recipes_is_told_as_yaml():
    other = recipe(model={"hidden": 2})
    assert differing(other, recipe()) == ["  model.hidden: 2  # was 5"]


def test_a_recipe_is_written_as_what_differs_and_read_back_whole(tmp_path):
    promised = {"select": "error", "criteria": {"closeness": {"low": -1.0, "binding": True}}}
    made = recipe(validation=promised, model={"hidden": 2})
    file = tmp_path / "best.yaml"
    file.write_text(as_yaml(made))
    assert load(ToyRecipe, file) == made
    assert set(yaml.safe_load(file.read_text())) == {"system", "model", "validation"}


def until(happened: Any, seconds: float = 20) -> None:
    """Wait until something is so."""
    end = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < end
        time.sleep(0.01)
