"""Replays side by side: a list of jobs in, outcomes out as they come.

The one seam between the reasoning and the machines: whoever can do jobs elsewhere, such as a
queue of several machines, gives `explain` another function of this form.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import get_context
from typing import Any

import torch

from wellposed.engine.explain.budget import Budget, UnderWay, Watch
from wellposed.engine.explain.job import Job, Outcome
from wellposed.engine.explain.replaying import replay
from wellposed.errors import RunError

Doing = Callable[[Sequence[Job]], Iterator[Outcome]]
"""Does all jobs; yields outcomes in any order. May leave out jobs that no time is left for."""
LOOK_S = 0.5
"""Between looks at where replays are."""
IDLE = -1


@contextmanager
def doing(
    workers: int, budget: Budget, tell: Callable[[UnderWay], None] = lambda under_way: None
) -> Iterator[Doing]:
    """Do jobs in so many processes, none: in this one; none goes on when the budget is over.

    `tell` hears again and again where the replays are that go on.
    """
    if workers == 0:
        yield lambda jobs: _here(jobs, budget, tell)
        return
    board = _Board(workers)
    # Spawn: a fork of a process with torch threads can deadlock.
    spawn = get_context("spawn")
    places = board.cells, spawn.Value("i", 0)
    with ProcessPoolExecutor(workers, spawn, _begin, places) as pool:
        yield lambda jobs: _side_by_side(pool, board, jobs, budget, tell)


def _here(
    jobs: Sequence[Job], budget: Budget, tell: Callable[[UnderWay], None]
) -> Iterator[Outcome]:
    for job in jobs:
        if budget.over:
            return
        yield replay(job, Watch(budget, lambda key, step, last: tell({key: (step, last)})))


def _side_by_side(
    pool: Executor,
    board: "_Board",
    jobs: Sequence[Job],
    budget: Budget,
    tell: Callable[[UnderWay], None],
) -> Iterator[Outcome]:
    waiting = {pool.submit(_work, n, job, budget.end) for n, job in enumerate(jobs)}
    try:
        while waiting:
            done, waiting = wait(waiting, LOOK_S, FIRST_COMPLETED)
            yield from (each.result() for each in done)
            tell(board.under_way(jobs))
            if budget.over:
                # Those that were begun end by themselves, and say how far they came.
                waiting = {each for each in waiting if not each.cancel()}
    except BrokenProcessPool as error:
        raise RunError(
            f"a process that replayed the run was ended from outside ({error}); if memory was "
            "short, take fewer --workers."
        ) from error
    finally:
        for each in waiting:
            each.cancel()


class _Board:
    """Memory that workers write where they are, and this process reads; each its own cells."""

    def __init__(self, workers: int) -> None:
        self.cells: Any = get_context("spawn").RawArray("q", [IDLE, 0, 0] * workers)

    def under_way(self, jobs: Sequence[Job]) -> UnderWay:
        """What goes on; a worker between two jobs may still show its last."""
        rows = [self.cells[at : at + 3] for at in range(0, len(self.cells), 3)]
        return {jobs[n].key: (step, last) for n, step, last in rows if 0 <= n < len(jobs)}


class _Place:
    """Cells of the process that this module is imported in, if it is a worker."""

    cells: Any = None
    first: int = 0


def _begin(cells: Any, taken: Any) -> None:
    """Take the next cells, and one thread: they would wait for each other's cores."""
    torch.set_num_threads(1)
    with taken.get_lock():
        _Place.cells, _Place.first = cells, 3 * taken.value
        taken.value += 1


def _work(number: int, job: Job, end: float) -> Outcome:
    def tell(key: str, step: int, last: int) -> None:
        _Place.cells[_Place.first : _Place.first + 3] = [number, step, last]

    try:
        return replay(job, Watch(Budget(end), tell))
    finally:
        _Place.cells[_Place.first] = IDLE
