"""Replays that workers of several machines take from a study: those who lead, and those who take.

Needs the package optuna.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from multiprocessing import get_context

import optuna
import torch
from optuna.trial import FrozenTrial, TrialState

from wellposed.engine.explain.budget import EVERY_S, Budget, UnderWay, Watch
from wellposed.engine.explain.job import Job, Outcome
from wellposed.engine.explain.meeting import NUMBERS, OVER, Meeting, is_over, number_of, put
from wellposed.engine.explain.replaying import replay
from wellposed.engine.explain.workers import Doing
from wellposed.engine.tuning.lease import Lease, reclaim
from wellposed.errors import RunError

WAIT_S = 1.0
"""Between looks at the study; a look reads what its journal has grown by."""
TRIES = 3
"""How often a job is begun whose workers die; a replay that kills them has an end."""
OUTCOME, PLACE = "outcome", "place"

Wait = Callable[[], None]


@contextmanager
def leading(
    meeting: Meeting,
    workers: int,
    budget: Budget,
    tell: Callable[[UnderWay], None] = lambda under_way: None,
) -> Iterator[Doing]:
    """Let others do jobs, and so many processes here. Raises RunError: somebody leads already."""
    meeting.prepare()
    with meeting.folder.joined() as leader:
        study = meeting.begin(leader, budget)
        try:
            with crew(meeting, workers):
                yield Led(meeting, study, budget, tell)
                # Here already: the crew ends when the study is over.
                study.set_user_attr(OVER, True)
        finally:
            study.set_user_attr(OVER, True)


class Led:
    """Puts jobs into a study, and yields outcomes as they come."""

    def __init__(
        self,
        meeting: Meeting,
        study: optuna.Study,
        budget: Budget,
        tell: Callable[[UnderWay], None],
        wait: Wait = lambda: time.sleep(WAIT_S),
    ) -> None:
        """Count jobs from 0; `wait` passes the time between two looks."""
        self._meeting, self._study, self._budget = meeting, study, budget
        self._tell, self._wait, self._next = tell, wait, 0

    def __call__(self, jobs: Sequence[Job]) -> Iterator[Outcome]:
        """Wait for all jobs; when the budget is over those that nobody has begun are left out."""
        waiting: dict[int, Job] = {}
        for job in jobs:
            waiting[self._next] = job
            put(self._study, self._next, job)
            self._next += 1
        while waiting:
            yield from self._ended(waiting)
            if self._patience_over(waiting):
                return
            if waiting:
                self._wait()

    def _ended(self, waiting: dict[int, Job]) -> Iterator[Outcome]:
        """Take out of `waiting` what was done, and tell where the others are."""
        with self._meeting.folder.locked():
            reclaim(self._study, self._meeting.folder, TRIES, self._meeting.lease_s)
        places = {}
        trials = self._study.get_trials(deepcopy=False)
        for trial in trials:
            number = number_of(trial)
            if number not in waiting:
                continue
            if trial.state == TrialState.COMPLETE:
                del waiting[number]
                yield Outcome.from_json(trial.user_attrs[OUTCOME])
            elif trial.state == TrialState.RUNNING and PLACE in trial.user_attrs:
                step, last = trial.user_attrs[PLACE]
                places[waiting[number].key] = (step, last)
        _require_hope(trials, waiting)
        self._tell(places)

    def _patience_over(self, waiting: Mapping[int, Job]) -> bool:
        """Whether nobody will bring more: those who live end at their next step."""
        if not self._budget.over:
            return False
        running = self._study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
        there = any(number_of(each) in waiting for each in running)
        return not there or self._budget.now() >= self._budget.end + EVERY_S


def _require_hope(trials: Sequence[FrozenTrial], waiting: Mapping[int, Job]) -> None:
    """Raise RunError for a job whose workers have died too often."""
    going = {number_of(t) for t in trials if not t.state.is_finished()}
    for trial in reversed(trials):
        number = number_of(trial)
        if trial.state == TrialState.FAIL and number in waiting and number not in going:
            why = trial.user_attrs.get("ended", "failed")
            raise RunError(f"the replay {waiting[number].key!r} could not be done: {why}.")


def take_part(meeting: Meeting, workers: int, tell: Callable[[str], None]) -> None:
    """Take jobs until all is over, in so many processes, none: in this one.

    Raises RunError: nothing is under way, or not with what this machine has.
    """
    meeting.prepare()
    if meeting.under_way() is None:
        raise RunError(
            f"{meeting.run}: nobody explains {' or '.join(meeting.case.symptom.codes)} of this run "
            "now, or it is another state, recipe or data there. Begin with `wellposed explain "
            "... --share`, then join."
        )
    if workers == 0:
        _work(meeting, tell)
        return
    with crew(meeting, workers):
        pass


def take(meeting: Meeting, study: optuna.Study, name: str) -> Outcome | None:
    """Take a job and do it; None: there was none, or it was lost to others meanwhile."""
    with meeting.folder.locked():
        reclaim(study, meeting.folder, TRIES, meeting.lease_s)
        if not study.get_trials(deepcopy=False, states=(TrialState.WAITING,)):
            return None
        trial = study.ask(NUMBERS)
        # Told at once, so that nobody takes it for abandoned.
        Lease(trial, name, meeting.lease_s).renew()
    frozen = study.get_trials(deepcopy=False)[trial.number]
    if number_of(frozen) is None:
        # Machines without a common folder have no common lock: another one was faster.
        study.tell(trial, state=TrialState.FAIL)
        return None
    budget, told = Budget(study.user_attrs["end"]), time.monotonic()

    def at(key: str, step: int, last: int) -> None:
        nonlocal told
        if time.monotonic() - told >= EVERY_S:
            told = time.monotonic()
            trial.set_user_attr(PLACE, (step, last))

    with Lease(trial, name, meeting.lease_s) as lease:
        outcome = replay(meeting.job(study, frozen), Watch(budget, at))
    if lease.lost:
        return None
    trial.set_user_attr(OUTCOME, outcome.to_json())
    study.tell(trial, 0.0, skip_if_finished=True)
    return outcome


@contextmanager
def crew(meeting: Meeting, workers: int) -> Iterator[None]:
    """Processes here that take part; they end with the study, and at once with an error."""
    spawn = get_context("spawn")
    living = [spawn.Process(target=_work_alone, args=(meeting,)) for _ in range(workers)]
    for each in living:
        each.start()
    try:
        yield
        for each in living:
            each.join()
    finally:
        for each in living:
            each.terminate()
            each.join()


def _work_alone(meeting: Meeting) -> None:
    """Work in one thread: several would wait for each other's cores."""
    torch.set_num_threads(1)
    _work(meeting, lambda line: None)


def _work(meeting: Meeting, tell: Callable[[str], None]) -> None:
    study = meeting.under_way()
    if study is None:
        return  # all was over before this process had begun
    with meeting.folder.joined() as name:
        while not is_over(study):
            outcome = take(meeting, study, name)
            if outcome is None:
                time.sleep(WAIT_S)
            else:
                tell(f"{outcome.key}: done in {outcome.seconds:.1f} s")
