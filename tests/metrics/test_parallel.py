"""Worker processes: the same results, light imports, and a worker that dies."""

import os
import subprocess
import sys

import numpy as np
import pytest

from wellposed.errors import RunError
from wellposed.metrics.parallel import Job, Scorers, score_all, score_job
from wellposed.metrics.score import mean_score
from wellposed.metrics.table import score_pair


def job(seed: int, name: str = "a") -> Job:
    clean, noise = np.random.default_rng(seed).standard_normal((2, 2, 800))
    return Job(name, clean, clean + 0.5 * noise, clean + noise, 16000, ("snr_db", "si_sdr_db"))


def test_channels_are_scored_apart_and_averaged():
    both = job(0)
    left, right = (
        score_pair(reference=clean, estimate=wave, rate=16000, names=["snr_db"])["snr_db"]
        for clean, wave in zip(both.reference, both.estimate, strict=True)
    )
    assert left != right
    assert score_job(both)["snr_db"] == mean_score([left, right])


def test_workers_give_the_same_numbers_in_the_same_order():
    jobs = [job(seed) for seed in range(7)]
    assert list(score_all(jobs, 2)) == list(score_all(jobs, 0)) == [score_job(j) for j in jobs]


class DiesOnArrival:
    """Ends the process that receives it."""

    def __reduce__(self):
        return os._exit, (3,)


def test_a_worker_that_dies_is_an_error_with_the_likely_reasons():
    deadly = job(0, name=DiesOnArrival())  # pyrefly: ignore[bad-argument-type]
    with pytest.raises(RunError, match=r"a worker process died .* Use fewer workers"):
        list(score_all([deadly], 1))


def test_a_worker_needs_neither_torch_nor_the_systems():
    code = "import sys, wellposed.metrics.parallel; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = done.stdout.split()
    assert "wellposed.metrics.parallel" in loaded
    assert not {"torch", "wellposed.systems", "pydantic"} & set(loaded)


def test_scores_in_the_background_are_those_of_this_process():
    jobs = [job(number) for number in range(3)]
    wanted = [score_job(each) for each in jobs]
    scorers = Scorers(1)
    try:
        first, second = scorers.submit(jobs), scorers.submit(jobs[::-1])
        assert second() == wanted[::-1]
        assert first() == wanted
        assert first() == wanted
    finally:
        scorers.close()
    assert Scorers(0).submit(jobs)() == wanted


def test_a_worker_that_dies_in_the_background_is_an_error_when_its_scores_are_asked_for():
    scorers = Scorers(1)
    try:
        deadly = job(0, name=DiesOnArrival())  # pyrefly: ignore[bad-argument-type]
        scores = scorers.submit([deadly])
        with pytest.raises(RunError, match="a worker process died"):
            scores()
    finally:
        scorers.close()
