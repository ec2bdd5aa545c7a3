"""One trial: an ordinary run in a folder of its own, that reports, may be pruned, and resumes."""

import math
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from optuna.trial import TrialState

from wellposed.engine.launch import resume, start
from wellposed.engine.recipe import Recipe, changed
from wellposed.engine.run import Run
from wellposed.engine.storage.history import read_history
from wellposed.engine.storage.runfolder import RunFolder
from wellposed.engine.tuning.lease import Lease, give_back, run_name
from wellposed.engine.tuning.study import Sought, TuneFolder
from wellposed.engine.validation import Rows
from wellposed.errors import WellposedError
from wellposed.guard import Severity
from wellposed.intervals import mean_interval

PRUNED = "pruned: worse than what others had by then"
LOST = "the lease was lost: another worker has this trial"


@dataclass(frozen=True)
class Place:
    """Where a worker does its trials."""

    folder: TuneFolder
    sought: Sought
    device: str | None = None
    """In place of the recipe's, so that workers share out devices."""


def attempt(place: Place, study: optuna.Study, trial: optuna.Trial, lease: Lease) -> None:
    """Run a trial to its end, or on from its last checkpoint, and tell the study how it ended.

    A recipe or a run that cannot be is a failed trial, which others would only repeat. Raises
    SystemExit or KeyboardInterrupt after a signal, when all is saved and the trial given back.
    """
    watcher = _Watcher(trial, lease, place.sought.objective)
    path = place.folder.trials / run_name(trial)
    try:
        recipe = changed(place.sought.recipe, drawn(place.sought, trial), f"trial {trial.number}")
        _run(place, recipe, path, watcher)
    except WellposedError as error:
        _fail(study, trial, lease, str(error))
        return
    except (SystemExit, KeyboardInterrupt):
        if not lease.lost:
            frozen = study.get_trials(deepcopy=False)[trial.number]
            give_back(study, frozen, "stopped, to be gone on with", tries=0)
        raise
    _tell(study, trial, lease, watcher)


def drawn(sought: Sought, trial: optuna.Trial | optuna.trial.FrozenTrial) -> dict[str, Any]:
    """Values of the recipe that a trial has."""
    return {axis.key: axis.value(trial.params[axis.key]) for axis in sought.axes}


class _Watcher:
    """What sees the run: it reports every validation, and ends the run when it is told to."""

    def __init__(self, trial: optuna.Trial, lease: Lease, metric: str) -> None:
        self._trial, self._lease, self._metric = trial, lease, metric
        self.run: Run | None = None

    def __call__(self, run: Run) -> None:
        """Meet the run before its next step; what it validated before a kill is told again."""
        self.run = run
        if run.folder.history.exists():
            for row in read_history(run.folder.history):
                if row.get("kind") == "validation":
                    self._report(row["step"], row["metrics"][self._metric]["mean"])
        run.before_step = self._before_step
        run.after_validation = self._after_validation

    def _before_step(self, step: int) -> None:
        if self._lease.lost and self.run is not None:
            self.run.dismissed = LOST

    def _after_validation(self, step: int, rows: Rows) -> None:
        scores = [row[self._metric] for row in rows.values() if row.get(self._metric) is not None]
        self._report(step, float(np.mean(np.array(scores))) if scores else math.nan)
        run = self.run
        if run is not None and not run.finished and self._trial.should_prune():
            run.dismissed = PRUNED

    def _report(self, step: int, mean: float) -> None:
        if math.isfinite(mean):
            self._trial.report(mean, step)


def _run(place: Place, recipe: Recipe, path: Path, watcher: _Watcher) -> None:
    kind, changes = place.sought.kind, {}
    if place.device is not None:
        changes = {"training.device": place.device}
    if RunFolder(path).recipe.is_file():
        resume(kind, path, changes, watch=watcher)
        return
    if path.is_dir():
        # Killed before there was a run: nothing in it is worth anything.
        shutil.rmtree(path)
    start(kind, changed(recipe, changes, "--devices"), path, None, watch=watcher)


def _tell(study: optuna.Study, trial: optuna.Trial, lease: Lease, watcher: _Watcher) -> None:
    run = watcher.run
    assert run is not None  # the watcher is handed the run before its first step
    if run.dismissed == LOST or lease.lost:
        return
    selection, recipe = run.moving.selection, run.recipe
    if selection.step < 0:
        _fail(study, trial, lease, f"{selection.metric} had no value in any scene")
        return
    scores = np.array([value for value in selection.values if value is not None])
    spread = mean_interval(scores, np.random.default_rng(recipe.seed))
    trial.set_user_attr("best", {**asdict(spread), "step": selection.step})
    trial.set_user_attr("values", selection.values)
    trial.set_user_attr("findings", _codes(run))
    trial.set_user_attr("within", selection.within)
    trial.set_constraint("promises", 0.0 if selection.within else 1.0)
    if run.dismissed == PRUNED:
        trial.set_user_attr("ended", f"pruned at step {run.moving.step}")
        study.tell(trial, state=TrialState.PRUNED, skip_if_finished=True)
    else:
        study.tell(trial, selection.value, skip_if_finished=True)


def _fail(study: optuna.Study, trial: optuna.Trial, lease: Lease, reason: str) -> None:
    if not lease.lost:
        trial.set_user_attr("ended", reason)
        study.tell(trial, state=TrialState.FAIL, skip_if_finished=True)


def _codes(run: Run) -> list[str]:
    """Codes of the guard's findings above INFO."""
    found = {f.code for f in run.moving.guard.findings if f.severity != Severity.INFO}
    return sorted(found)
