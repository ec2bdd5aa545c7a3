"""Replays side by side: a list of jobs in, outcomes out as they come.

The one seam between the reasoning and the machines: whoever can do jobs elsewhere, such as a
queue of several machines, gives `explain` another function of this form.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from multiprocessing import get_context

import torch

from wellposed.engine.explain.job import Job, Outcome
from wellposed.engine.explain.replaying import replay

Doing = Callable[[Sequence[Job]], Iterator[Outcome]]
"""Does all jobs; yields outcomes in any order. May leave out jobs that no time is left for."""


@contextmanager
def doing(workers: int, left: Callable[[], bool]) -> Iterator[Doing]:
    """Do jobs in so many processes, none: in this one; begin no more once `left` says False."""
    if workers == 0:
        yield lambda jobs: _here(jobs, left)
        return
    # Spawn: a fork of a process with torch threads can deadlock.
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn"), initializer=_alone) as pool:
        yield lambda jobs: _side_by_side(pool, jobs, left)


def _here(jobs: Sequence[Job], left: Callable[[], bool]) -> Iterator[Outcome]:
    for job in jobs:
        if not left():
            return
        yield replay(job)


def _side_by_side(
    pool: ProcessPoolExecutor, jobs: Sequence[Job], left: Callable[[], bool]
) -> Iterator[Outcome]:
    waiting = {pool.submit(replay, job) for job in jobs}
    try:
        for future in as_completed(waiting):
            if not future.cancelled():
                yield future.result()
            if not left():
                for each in waiting:
                    each.cancel()
    finally:
        for each in waiting:
            each.cancel()


def _alone() -> None:
    """One thread each: they would wait for each other's cores."""
    torch.set_num_threads(1)
