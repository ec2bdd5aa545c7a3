"""A worker: a process that takes trials, one after the other, until nothing is left to do."""

import hashlib
import os
import sys
import threading
import time
from dataclasses import dataclass
from multiprocessing import parent_process
from multiprocessing.process import BaseProcess
from pathlib import Path
from signal import SIGTERM

import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.trial import TrialState

from wellposed.engine.recipe import Recipe
from wellposed.engine.stopping import StopRequest, stop_on_signal
from wellposed.engine.tuning.attempt import Place, attempt
from wellposed.engine.tuning.lease import Lease, first_tries, reclaim
from wellposed.engine.tuning.space import Axis
from wellposed.engine.tuning.study import Sought, TuneFolder, open_study

WAIT_S = 1.0
"""Between looks at whether a trial of others came back; it costs one read of the journal."""


@dataclass(frozen=True)
class Task:
    """All that a worker process is told."""

    folder: TuneFolder
    sought: Sought
    url: str | None = None
    trials: int = 20
    tries: int = 3
    """How often a trial is begun whose workers die; a trial that kills them has an end."""
    lease_s: float = 120.0
    prune: str = "median"
    device: str | None = None


def work(task: Task) -> None:
    """Be a worker process: its words go to workers/NAME.txt."""
    with task.folder.joined() as name:
        _speak_into(task.folder.workers / f"{name}.txt")
        parent = parent_process()
        if parent is not None:
            threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
        serve(task, name)


def serve(task: Task, name: str) -> None:
    """Work under a name that `TuneFolder.joined` gave, until no trial is left.

    Raises KeyboardInterrupt or SystemExit after a signal, also after one that came in the last
    step of a trial: what another worker gave back is not begun again by one that was stopped too.
    """
    sampler = _sampler(task, name)
    study = open_study(task.folder, task.sought, task.url, sampler, pruner(task))
    place = Place(task.folder, task.sought, task.device)
    with stop_on_signal() as stop:
        while (trial := _next(task, study, name, stop)) is not None:
            with Lease(trial, name, task.lease_s) as lease:
                attempt(place, study, trial, lease)
    stop.leave()


def pruner(task: Task) -> optuna.pruners.BasePruner:
    """Make the pruner; nothing is judged before the learning rate has reached its peak."""
    if task.prune == "none":
        return optuna.pruners.NopPruner()
    recipe = task.sought.recipe
    if task.prune == "hyperband":
        first = max(recipe.validation.every, recipe.schedule.warmup_steps)
        return optuna.pruners.HyperbandPruner(
            min_resource=min(first, recipe.training.steps), max_resource=recipe.training.steps
        )
    return optuna.pruners.MedianPruner(n_warmup_steps=recipe.schedule.warmup_steps)


def distributions(axes: tuple[Axis, ...]) -> dict[str, BaseDistribution]:
    """Say the axes in Optuna's words."""
    return {axis.key: _distribution(axis) for axis in axes}


def enqueue_recipe(task: Task, study: optuna.Study) -> None:
    """Let the first trial be the recipe as it stands, where the space holds it."""
    held = {axis.key: axis.holds(_value(task.sought.recipe, axis)) for axis in task.sought.axes}
    with task.folder.locked():
        if not study.get_trials(deepcopy=False) and all(v is not None for v in held.values()):
            study.enqueue_trial(held, user_attrs={"recipe_as_it_stands": True})


def _next(task: Task, study: optuna.Study, name: str, stop: StopRequest) -> optuna.Trial | None:
    """Take a trial; wait while the last ones run elsewhere; None when all have ended, or asked."""
    while not stop:
        with task.folder.locked():
            reclaim(study, task.folder, task.tries, task.lease_s)
            waiting = study.get_trials(deepcopy=False, states=(TrialState.WAITING,))
            if waiting or len(first_tries(study)) < task.trials:
                trial = study.ask(distributions(task.sought.axes))
                # Told at once, so that nobody takes it for abandoned.
                Lease(trial, name, task.lease_s).renew()
                return trial
            if not study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
                return None
        time.sleep(WAIT_S)
    return None


def _sampler(task: Task, name: str) -> optuna.samplers.BaseSampler:
    """Tree-structured Parzen estimator; no two workers, and no worker twice, draw alike."""
    # In one folder the number in the name is enough; over a database hosts must differ too.
    told = name if task.url is not None else name.rpartition("-")[2]
    digest = hashlib.sha256(f"{task.sought.recipe.seed}/{told}".encode()).digest()
    seed = int.from_bytes(digest[:4], "big")
    return optuna.samplers.TPESampler(multivariate=True, constant_liar=True, seed=seed)


def _distribution(axis: Axis) -> BaseDistribution:
    if axis.choices:
        return CategoricalDistribution(axis.choices)
    if axis.whole:
        step = 1 if axis.step is None else int(axis.step)
        return IntDistribution(int(axis.low), int(axis.high), log=axis.log, step=step)
    return FloatDistribution(axis.low, axis.high, log=axis.log, step=axis.step)


def _value(recipe: Recipe, axis: Axis) -> object:
    node = recipe.model_dump(mode="json")
    for part in axis.key.split("."):
        node = node[part]
    return node


def _speak_into(path: Path) -> None:
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    sys.stdout.flush()
    sys.stderr.flush()
    for stream in (1, 2):
        os.dup2(file, stream)


def _end_with(parent: BaseProcess) -> None:
    """Stop as by a signal, with all saved, when the parent was killed."""
    parent.join()
    os.kill(os.getpid(), SIGTERM)
