"""Where machines meet over a case: a study in the tuner's storage, whose trials are replays.

Whoever explains leads: it puts jobs into the study and waits for outcomes (`machines`). Others join
with the same run, in a common folder or a copy of their own, and take jobs until all is over.
Who works at what, and until when that is believed, is as in the tuner (`engine/tuning/lease.py`).
Needs the package optuna.
"""

import hashlib
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import optuna
from optuna.distributions import BaseDistribution, IntDistribution

from wellposed.engine.explain.budget import Budget
from wellposed.engine.explain.job import Case, Job
from wellposed.engine.explain.ofrun import FOLDER, from_the_start
from wellposed.engine.tuning.study import TuneFolder, storage_of
from wellposed.errors import RunError

NUMBER = "job"
OVER = "over"
NUMBERS: dict[str, BaseDistribution] = {NUMBER: IntDistribution(0, 1 << 30)}
"""A trial's one parameter is the number of its job; the study tells what that is."""


@dataclass(frozen=True)
class Meeting:
    """A case as this machine has it, and where others find it."""

    run: Path
    case: Case
    data: str
    """Digest of the scenes' source."""
    url: str | None = None
    """Of a database; None: a journal in the run's folder."""
    lease_s: float = 120.0
    """Without a word for so long a worker counts as dead, where its lock cannot be seen."""

    @property
    def folder(self) -> TuneFolder:
        """Journal, locks and logs of workers."""
        return TuneFolder(self.run / FOLDER / "machines")

    @property
    def name(self) -> str:
        """The study's: machines meet that have the same case and data."""
        case = self.case
        state = Path(case.checkpoint).read_bytes() if case.checkpoint else b""
        facts = [case.system, case.recipe, case.symptom.to_json(), case.start, self.data]
        digest = hashlib.sha256(json.dumps(facts).encode() + state).hexdigest()
        return f"explain-{digest[:16]}"

    def prepare(self) -> None:
        """Make the folder."""
        self.folder.workers.mkdir(parents=True, exist_ok=True)

    def found(self) -> optuna.Study | None:
        """What is under way, or was; None: nothing ever. Raises RunError: no storage."""
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        storage = storage_of(self.folder, self.url)
        if self.name not in optuna.get_all_study_names(storage):
            return None
        # Jobs are numbered, not drawn.
        sampler = optuna.samplers.RandomSampler()
        return optuna.load_study(study_name=self.name, storage=storage, sampler=sampler)

    def under_way(self) -> optuna.Study | None:
        """The study, if somebody still waits for its outcomes."""
        study = self.found()
        if study is None or is_over(study):
            return None
        lives = self.folder.lives(study.user_attrs["leader"])
        return study if lives or lives is None else None

    def begin(self, leader: str, budget: Budget) -> optuna.Study:
        """Begin anew. Raises RunError: somebody else explains the same right now."""
        with self.folder.locked():
            if (other := self.under_way()) is not None:
                raise RunError(
                    f"{self.run}: this finding is being explained already, by "
                    f"{other.user_attrs['leader']}; take part in it with --join."
                )
            storage = storage_of(self.folder, self.url)
            if self.found() is not None:
                optuna.delete_study(study_name=self.name, storage=storage)
            sampler = optuna.samplers.RandomSampler()
            study = optuna.create_study(study_name=self.name, storage=storage, sampler=sampler)
            study.set_user_attr("leader", leader)
            study.set_user_attr("end", budget.end)
        return study

    def job(self, study: optuna.Study, trial: optuna.trial.FrozenTrial) -> Job:
        """What a trial is to do, with this machine's files."""
        said = study.user_attrs[f"{NUMBER}-{number_of(trial)}"]
        case = self.case if said["start"] == self.case.start else from_the_start(self.case)
        return Job(case, tuple(said["interventions"]), said["key"])


def number_of(trial: optuna.trial.FrozenTrial) -> int | None:
    """Number of a trial's job; None for a trial that nobody put there."""
    fixed: Mapping[str, Any] = trial.system_attrs.get("fixed_params", {})
    return fixed.get(NUMBER)


def put(study: optuna.Study, number: int, job: Job) -> None:
    """Let somebody do a job."""
    said = {"key": job.key, "interventions": list(job.interventions), "start": job.case.start}
    study.set_user_attr(f"{NUMBER}-{number}", said)
    study.enqueue_trial({NUMBER: number})


def is_over(study: optuna.Study) -> bool:
    """Whether the leader has ended it, or its budget is over."""
    return OVER in study.user_attrs or time.time() >= study.user_attrs.get("end", 0.0)
