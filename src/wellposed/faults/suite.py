"""Many trials, in worker processes where that pays, and the table that they give."""

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import islice, product
from multiprocessing import get_context
from statistics import median

import torch

from wellposed.faults.hosts import HOSTS
from wellposed.faults.injections import all_faults
from wellposed.faults.trial import Trial, attempt, healthy
from wellposed.guard import Severity

RATES = (1.0, 3.0, 1 / 3, 3**0.5, 3**-0.5)
"""Learning rates of the healthy runs relative to the recipe's: a factor of 3 both ways."""


@dataclass(frozen=True)
class Job:
    """One trial to come: a fault by name, or a host to be left well."""

    fault: str | None
    host: str
    seed: int
    rate: float = 1.0

    def run(self) -> Trial:
        """Train it here, on one thread."""
        torch.set_num_threads(1)
        fault = all_faults()[self.fault]() if self.fault else healthy(self.host)
        return attempt(fault, seed=self.seed, rate=self.rate)


def fault_jobs(names: Sequence[str], seeds: int) -> list[Job]:
    """Every named fault with seeds 0, 1, ...; seed by seed, because trials share scenes."""
    faults = all_faults()
    return [Job(name, faults[name].host, seed) for seed in range(seeds) for name in names]


def healthy_jobs(count: int, first_seed: int = 100) -> list[Job]:
    """Runs without fault: rates, then hosts, then seeds, the seeds apart from those of faults."""
    every = product(range(first_seed, first_seed + count), HOSTS, RATES)
    return [Job(None, host, seed, rate) for seed, host, rate in islice(every, count)]


def run_all(jobs: Sequence[Job], workers: int) -> Iterator[Trial]:
    """Run the jobs and yield their outcomes in order; in this process if `workers` is 0."""
    if workers == 0:
        yield from map(Job.run, jobs)
        return
    # Spawn: a fork of a process with torch threads can deadlock, and other systems have no fork.
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        yield from pool.map(Job.run, jobs)


COLUMNS = (
    f"{'fault':<28}{'shows':<12}{'seed':>4}{'injected':>10}{'found':>7}{'delay':>7}  "
    f"{'code':<16}{'named':<7}"
)


def line(trial: Trial) -> str:
    """One line of the table of faults."""
    found = trial.right or next(iter(trial.alarms), None)
    unit = "v" if trial.shows == "validation" else ""
    at = _when(trial, found.told) if found else None
    told = "-" if at is None else f"{unit}{at}"
    delay = "-" if trial.delay is None else str(trial.delay)
    grave = trial.severity or (found.severity if found else "")
    others = sorted({each.code for each in trial.alarms} - set(trial.codes))
    also = f"also {', '.join(others)}" if others and trial.right else ""
    return (
        f"{trial.fault:<28}{trial.shows:<12}{trial.seed:>4}"
        f"{unit + str(trial.since):>10}{told:>7}{delay:>7}  "
        f"{found.code if found else '-':<7}{grave or '-':<9}{trial.verdict:<7}{also}"
    ).rstrip()


def healthy_line(trial: Trial) -> str:
    """One line for a run without fault."""
    alarms = "; ".join(f"{each.code} at {each.told}: {each.title}" for each in trial.alarms)
    return f"{trial.host:<10}{trial.seed:>5}{trial.rate:>7.2f}  {alarms or 'nothing above INFO'}"


def summary(trials: Iterable[Trial]) -> str:
    """How many faults were named right, and the median delays by where the evidence is."""
    trials = list(trials)
    right = [each for each in trials if each.verdict == "right"]
    grave = sum(each.severity != Severity.INFO for each in right)
    lines = [f"{len(right)} of {len(trials)} faults found and named right, {grave} above INFO"]
    for shows, unit in (
        ("audit", "step"),
        ("step", "step"),
        ("lasting", "step"),
        ("validation", "validation"),
    ):
        delays = [each.delay for each in right if each.shows == shows and each.delay is not None]
        if delays:
            told = f"median {median(delays):g}, at most {max(delays)} {unit}s"
            lines.append(f"delay of {shows} faults: {told}")
    return "\n".join(lines)


def _when(trial: Trial, told: int) -> int:
    return told // trial.validate_every if trial.shows == "validation" else told
