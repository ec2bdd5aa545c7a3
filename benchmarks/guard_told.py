"""What `Guard.critic` and `Guard.codes` cost a call: processor time on one thread.

    python benchmarks/guard_told.py [--calls 400]

A loop tells its guard the scores of a critic, or the codes of a quantizer, and calls `step`, as it
does in training; only the first two calls are timed, with the judging that belongs to them: that
of a critic's scores on the CPU happens within `step`, and is counted with the call. Given are the
5 %, 50 % and 95 % quantiles over calls of the process's own time, so that what else the machine
does counts only by the caches that it takes. Histories are full before the clock starts.
"""

import argparse
import time

import torch
from this_machine import machine
from torch import nn

from wellposed.guard import Guard
from wellposed.guard.plan import Plan

FULL = 600
"""Steps after which the guard's histories, of 512 rows at most, are full."""
CODES = 1024


def quantiles(values: list[float]) -> str:
    """5 %, 50 % and 95 % in microseconds."""
    ordered = sorted(values)
    return " ".join(f"{1e6 * ordered[int(q * len(ordered))]:7.0f}" for q in (0.05, 0.5, 0.95))


def critic(examples: int, calls: int) -> list[float]:
    """Scores `(examples, 50)` of either kind, overlapping: nothing is found."""
    torch.manual_seed(0)
    guard = Guard(nn.Linear(1, 1), plan=Plan(steps=10_000))
    spent = []
    for step in range(FULL + calls):
        real, fake = torch.randn(examples, 50) + 0.1, torch.randn(examples, 50)
        begun = time.process_time()
        guard.critic(step, real, fake)
        guard._tell(guard._examiner.read())
        spent.append(time.process_time() - begun)
        guard.step(step, {})
    return spent[FULL:]


def codes(draws: int, calls: int) -> list[float]:
    """Evenly used codes."""
    torch.manual_seed(0)
    guard = Guard(nn.Linear(1, 1), plan=Plan(steps=10_000))
    spent = []
    for step in range(FULL + calls):
        indices = torch.randint(0, CODES, (8, draws // 8))
        begun = time.process_time()
        guard.codes(step, indices, CODES)
        spent.append(time.process_time() - begun)
        guard.step(step, {})
    return spent[FULL:]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--calls", type=int, default=400)
    calls = parser.parse_args().calls
    torch.set_num_threads(1)
    print(machine())
    print("microseconds of a call, 5 %, 50 %, 95 %")
    for examples in (4, 16, 64):
        print(f"critic, {examples:>4} + {examples} examples {quantiles(critic(examples, calls))}")
    for draws in (800, 6400):
        print(f"codes,  {draws:>4} draws         {quantiles(codes(draws, calls))}")


if __name__ == "__main__":
    main()
