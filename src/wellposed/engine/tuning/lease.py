"""Who works at a trial, and until when that is believed: a trial whose worker died is retried.

A worker writes `{"worker", "pid", "expires"}` on its trial, again and again. Where its lock can be
seen it is asked instead of the clock, so that a kill on this machine is known at once; machines
that share only a database wait until the lease is over, and need clocks that agree to a part of it.

A trial is given back in two acts, its parameters enqueued, then itself failed; a kill between them
leaves both to be seen, and nothing is lost or doubled.
"""

import os
import threading
import time

import optuna
from optuna.exceptions import StorageInternalError, UpdateFinishedTrialError
from optuna.trial import FrozenTrial, TrialState

from wellposed.engine.tuning.study import TuneFolder

BEATS = 4
"""Times that a lease is renewed within its length: three may fail before it is over."""

KEPT = ("recipe_as_it_stands",)
"""What is said of a trial and of all its retries."""


class Lease:
    """Renews the lease of one trial while its body runs, and knows when it was lost."""

    def __init__(self, trial: optuna.Trial, worker: str, seconds: float) -> None:
        """Hold `trial` for `worker`; `seconds` without a word, and others may have it."""
        self._trial, self._worker, self._seconds = trial, worker, seconds
        self._expires = 0.0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._beat, daemon=True)
        self._finished_by_others = False

    @property
    def lost(self) -> bool:
        """Whether somebody else may have the trial by now."""
        return self._finished_by_others or time.time() > self._expires

    def __enter__(self) -> "Lease":
        """Write it, and go on to."""
        self.renew()
        self._thread.start()
        return self

    def __exit__(self, *raised: object) -> None:
        """Write it no more."""
        self._over.set()
        self._thread.join()

    def _beat(self) -> None:
        while not self._over.wait(self._seconds / BEATS):
            try:
                self.renew()
            except UpdateFinishedTrialError:
                self._finished_by_others = True
                return
            except StorageInternalError as error:
                # A database that is away for a while; the lease tells when it was too long.
                print(f"lease not renewed: {error}", flush=True)

    def renew(self) -> None:
        """Write it once."""
        expires = time.time() + self._seconds
        said = {"worker": self._worker, "pid": os.getpid(), "expires": expires}
        self._trial.set_user_attr("lease", said)
        self._expires = expires


def reclaim(study: optuna.Study, folder: TuneFolder, tries: int, seconds: float) -> None:
    """Give back the trials of workers that are no more; call it with the folder locked."""
    for trial in study.get_trials(states=(TrialState.RUNNING,)):
        lease = trial.user_attrs.get("lease")
        if lease is None:
            # Killed between taking it and saying so.
            begun = trial.datetime_start.timestamp() if trial.datetime_start else 0.0
            if time.time() - begun > seconds:
                give_back(study, trial, "its worker died before it began", tries)
            continue
        lives = folder.lives(lease["worker"])
        if lives is False or (lives is None and time.time() > lease["expires"]):
            give_back(study, trial, f"worker {lease['worker']} died", tries)


def give_back(study: optuna.Study, trial: FrozenTrial, reason: str, tries: int) -> None:
    """Fail a trial that runs no more, and enqueue it again unless `tries` are used up.

    `tries` of 0: a try that was stopped on purpose, which counts as none.
    """
    params = {**trial.system_attrs.get("fixed_params", {}), **trial.params}
    number = trial.user_attrs.get("try", 1)
    if number >= tries > 0:
        reason = f"{reason}; given up after {number} tries"
    elif params and not _retried(study, trial.number):
        retry = {
            "run": run_name(trial),
            "try": number + (tries > 0),
            "retry_of": trial.number,
            **{key: trial.user_attrs[key] for key in KEPT if key in trial.user_attrs},
        }
        study.enqueue_trial(params, user_attrs=retry)
    # Only a Trial can be written to, and only by its key in the storage.
    live = optuna.Trial(study, trial._trial_id)
    try:
        live.set_user_attr("ended", reason)
        study.tell(trial.number, state=TrialState.FAIL, skip_if_finished=True)
    except UpdateFinishedTrialError:
        return  # somebody else was faster


def run_name(trial: FrozenTrial | optuna.Trial) -> str:
    """Folder of a trial's run: its own number, or that of the trial which it retries."""
    return trial.user_attrs.get("run", f"{trial.number:05d}")


def first_tries(study: optuna.Study) -> list[FrozenTrial]:
    """Trials that are no retries, and that ever had parameters."""
    return [
        trial
        for trial in study.get_trials(deepcopy=False)
        if "retry_of" not in trial.user_attrs
        and (
            trial.params or trial.system_attrs.get("fixed_params") or not trial.state.is_finished()
        )
    ]


def _retried(study: optuna.Study, number: int) -> bool:
    trials = study.get_trials(deepcopy=False)
    return any(trial.user_attrs.get("retry_of") == number for trial in trials)
