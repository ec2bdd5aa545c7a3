"""The parent of the workers: starts them, replaces those that died, and tells what they found."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from multiprocessing import get_context
from multiprocessing.process import BaseProcess

import optuna

from wellposed.engine.stopping import StopRequest, stop_on_signal
from wellposed.engine.tuning.outcome import outcome_line, outcomes
from wellposed.engine.tuning.study import open_study
from wellposed.engine.tuning.worker import Task, enqueue_recipe, work
from wellposed.errors import RunError

LOOK_S = 0.5
"""Between looks at workers and trials; a look reads what the journal has grown by."""


@dataclass
class _Workers:
    """Processes by their place, which says their device."""

    task: Task
    devices: tuple[str, ...]
    living: dict[int, BaseProcess] = field(default_factory=dict)

    def start(self, place: int) -> None:
        """Start the worker of a place."""
        device = self.devices[place % len(self.devices)] if self.devices else None
        # Spawned: a fork of a process with torch threads can deadlock.
        process = get_context("spawn").Process(
            target=work, args=(replace(self.task, device=device),)
        )
        with _interrupts_ignored():
            process.start()
        self.living[place] = process

    def ended(self) -> list[tuple[int, BaseProcess]]:
        """Take out those that ended."""
        gone = [(place, p) for place, p in self.living.items() if not p.is_alive()]
        for place, _ in gone:
            del self.living[place]
        return gone

    def stop(self) -> None:
        """Ask all to save and to end, and wait."""
        for process in self.living.values():
            if process.pid is not None and process.is_alive():
                os.kill(process.pid, signal.SIGTERM)
        for process in self.living.values():
            process.join()


def search(
    task: Task,
    workers: int,
    *,
    devices: tuple[str, ...] = (),
    end: float | None = None,
    tell: Callable[[str], None] = print,
) -> optuna.Study:
    """Work until `task.trials` have ended, or until `end` (seconds since 1970), or a signal.

    What was begun by then is saved, and gone on with by the next call. `tell` gets a line for
    every trial that ended. Raises RunError when workers die of something else than their trials;
    KeyboardInterrupt or SystemExit after a signal.
    """
    task.folder.prepare(task.sought)
    study = open_study(task.folder, task.sought, task.url)
    enqueue_recipe(task, study)
    told = {each.name for each in outcomes(study) if each.ended}
    crew = _Workers(task, devices)
    with stop_on_signal() as stop:
        for place in range(workers):
            crew.start(place)
        try:
            while crew.living and not stop and not _past(end):
                time.sleep(LOOK_S)
                _tell_new(study, task, told, tell)
                for place, process in crew.ended():
                    _replace(crew, study, place, process, tell)
        finally:
            crew.stop()
        _tell_new(study, task, told, tell)
    _leave(stop, task, tell)
    return study


def _replace(
    crew: _Workers, study: optuna.Study, place: int, process: BaseProcess, tell: Callable[..., None]
) -> None:
    """Start another worker for one that died at a trial; the trial will be retried."""
    if process.exitcode == 0:
        return
    logs = crew.task.folder.workers
    if not any(_worked(trial, process.pid) for trial in study.get_trials(deepcopy=False)):
        raise RunError(
            f"a worker ended with status {process.exitcode} before it had a trial. Its log is the "
            f"newest file in {logs}."
        )
    tell(f"worker {place} ended with status {process.exitcode}; another takes its place")
    crew.start(place)


def _worked(trial: optuna.trial.FrozenTrial, pid: int | None) -> bool:
    return trial.user_attrs.get("lease", {}).get("pid") == pid


def _tell_new(study: optuna.Study, task: Task, told: set[str], tell: Callable[[str], None]) -> None:
    found = outcomes(study)
    for each in found:
        if each.ended and each.name not in told:
            told.add(each.name)
            tell(outcome_line(each, found, task.sought))


def _leave(stop: StopRequest, task: Task, tell: Callable[[str], None]) -> None:
    if stop:
        tell(f"stopped by {stop.name}; go on with `wellposed tune {task.folder.path}`")
    stop.leave()


def _past(end: float | None) -> bool:
    return end is not None and time.time() >= end


@contextmanager
def _interrupts_ignored() -> Iterator[None]:
    """A child that begins here is not interrupted by the terminal before it can save anything."""
    usual = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, usual)
