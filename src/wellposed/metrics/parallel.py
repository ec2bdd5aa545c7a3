"""Scores of many signals, in worker processes when that pays.

Promise: results come in the order of the jobs, do not depend on the number of workers, and only a
bounded number of waveforms is in memory. A worker imports neither torch nor any system.
"""

import signal
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing import get_context

import numpy as np
from numpy.typing import NDArray

from wellposed.errors import RunError
from wellposed.metrics.score import Score, mean_score
from wellposed.metrics.table import score_pair

Channels = NDArray[np.floating]
"""(channels, time)"""


@dataclass(frozen=True)
class Job:
    """One signal to score; all three waveforms have the same shape."""

    name: str
    reference: Channels
    estimate: Channels
    noisy: Channels
    rate: int
    """Hz"""
    names: tuple[str, ...]
    """Of metrics."""


def score_job(job: Job) -> dict[str, Score]:
    """Score each channel on its own and take the mean over them."""
    channels = [
        score_pair(reference=clean, estimate=wave, rate=job.rate, names=job.names, noisy=noisy)
        for clean, wave, noisy in zip(job.reference, job.estimate, job.noisy, strict=True)
    ]
    return {name: mean_score([scores[name] for scores in channels]) for name in job.names}


def score_all(jobs: Iterable[Job], workers: int) -> Iterator[dict[str, Score]]:
    """Score the jobs one after the other, in this process if `workers` is 0.

    Raises RunError if a worker dies, as C code may make it.
    """
    if workers == 0:
        yield from map(score_job, jobs)
        return
    # Spawn: a fork of a process with torch threads can deadlock, and other systems have no fork.
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        waiting: deque[tuple[Job, Future[dict[str, Score]]]] = deque()
        for job in jobs:
            waiting.append((job, _submitted(pool, job)))
            if len(waiting) > 2 * workers:
                yield _finished(*waiting.popleft())
        while waiting:
            yield _finished(*waiting.popleft())


def _submitted(pool: ProcessPoolExecutor, job: Job) -> Future[dict[str, Score]]:
    try:
        return pool.submit(score_job, job)
    except BrokenProcessPool as error:
        raise _dead_worker(job) from error


def _finished(job: Job, future: Future[dict[str, Score]]) -> dict[str, Score]:
    try:
        return future.result()
    except BrokenProcessPool as error:
        raise _dead_worker(job) from error


def _dead_worker(job: Job) -> RunError:
    return RunError(
        f"{job.name}: a worker process died while scoring this file or one of the next; it ran out "
        "of memory, or the C code of pesq crashed. Use fewer workers, or leave PESQ out."
    )


class Scorers:
    """Worker processes that score in the background while their owner does something else.

    They start at the first `submit` and end with the process. What comes out depends on the jobs
    alone, never on the number of workers or on when it is asked for.
    """

    def __init__(self, workers: int) -> None:
        """Prepare; nothing is started. `workers` 0: score in this process, when asked."""
        self.workers = workers
        self._pool: ProcessPoolExecutor | None = None

    def submit(self, jobs: Sequence[Job]) -> Callable[[], list[dict[str, Score]]]:
        """Begin to score; what is returned waits for the scores, in the order of the jobs.

        That raises RunError if a worker dies, as C code may make it. It may be called again.
        """
        if self.workers == 0:
            return lambda: [score_job(job) for job in jobs]
        if self._pool is None:
            # A worker leaves Ctrl-C to its owner, which may want to end its step first.
            self._pool = ProcessPoolExecutor(
                self.workers,
                mp_context=get_context("spawn"),
                initializer=signal.signal,
                initargs=(signal.SIGINT, signal.SIG_IGN),
            )
        pool = self._pool
        waiting = [(job, _submitted(pool, job)) for job in jobs]
        return lambda: [_finished(job, future) for job, future in waiting]

    def close(self) -> None:
        """End the workers; they start again when something is submitted."""
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)
        self._pool = None
