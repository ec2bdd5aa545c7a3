"""What the selective scan costs: our backends beside the forms that are published elsewhere.

Forward and backward at batch 8, 250 frames, 128 channels, 16 states, float32; all are run in turn,
so that whatever else the machine does meets all alike. Printed are minimum and median. Then one
sequence of growing length: a linear scan keeps its time per frame. On a machine that others use
as well, take the clock "cpu", which stands still while others compute.

"sequential" is the reference form of the Mamba paper's code, written anew here: one frame after the
other, indexed, differentiated by autograd. "mambapy" is its parallel scan (Blelloch), where
`pip install --no-deps mambapy` was done. Both use the Euler form.

    python benchmarks/selective_scan.py [--threads 1] [--clock wall] [--rounds 15] [--json FILE]
"""
# ruff: noqa: N803, N806 - A, B, C are the names of the literature.

import argparse
import importlib
import json
import statistics
import time
from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import torch
from this_machine import machine
from torch import Tensor

from wellposed.nn.scan import selective_scan
from wellposed.nn.scan.compiled import unavailable
from wellposed.nn.scan.ssd import ssd

CLOCKS = {"wall": time.perf_counter, "cpu": time.process_time}
LENGTHS = (1000, 2000, 4000, 8000, 16000)
HEADS = 8

Scan = Callable[..., tuple[Tensor, Tensor]]
Job = Callable[[], None]


def inputs(batch: int, frames: int, channels: int = 128, states: int = 16) -> tuple[Tensor, ...]:
    """u, dt, A, B, C as at a start: dt log-uniform from 0.001 to 0.1, A from -1 to -16."""
    torch.manual_seed(0)
    dt = 10 ** (-3 + 2 * torch.rand(batch, frames, channels))
    A = -torch.arange(1.0, states + 1).repeat(channels, 1)
    B, C = torch.randn(batch, frames, states), torch.randn(batch, frames, states)
    given = (torch.randn(batch, frames, channels), dt, A, B, C)
    return tuple(x.requires_grad_() for x in given)


def sequential(u: Tensor, dt: Tensor, A: Tensor, B: Tensor, C: Tensor) -> tuple[Tensor, Tensor]:
    """The published reference: everything of the sequence at once, then a loop over frames."""
    u, dt, B, C = (x.transpose(1, 2) for x in (u, dt, B, C))
    decay = torch.exp(torch.einsum("bdl,dn->bdln", dt, A))
    drive = torch.einsum("bdl,bnl,bdl->bdln", dt, B, u)
    h, outputs = A.new_zeros(u.shape[0], *A.shape), []
    for t in range(u.shape[2]):
        h = decay[:, :, t] * h + drive[:, :, t]
        outputs.append(torch.einsum("bdn,bn->bd", h, C[:, :, t]))
    return torch.stack(outputs, 1), h


def mambapy(u: Tensor, dt: Tensor, A: Tensor, B: Tensor, C: Tensor) -> tuple[Tensor, Tensor]:
    """The parallel scan of mamba.py, used as its block does."""
    pscan = importlib.import_module("mambapy.pscan").pscan
    h = pscan(torch.exp(dt.unsqueeze(-1) * A), (dt * u).unsqueeze(-1) * B.unsqueeze(2))
    return (h @ C.unsqueeze(-1)).squeeze(-1), h[:, -1]


def by_heads(u: Tensor, dt: Tensor, A: Tensor, B: Tensor, C: Tensor) -> tuple[Tensor, Tensor]:
    """Mamba-2 at the same sizes, one step and one decay per head."""
    return ssd(u.unflatten(-1, (HEADS, -1)), dt[..., :HEADS], A[:HEADS, 0], B, C)


def forms() -> dict[str, Scan]:
    """Name and function of all that run here."""
    found: dict[str, Scan] = {"sequential, euler": sequential}
    if find_spec("mambapy"):
        found["mambapy, euler"] = mambapy
    found["ours: reference"] = partial(selective_scan, backend="reference")
    for backend in ("fused", *(() if unavailable() else ("compiled",))):
        for hold in ("euler", "exact"):
            found[f"ours: {backend}, {hold}"] = partial(selective_scan, backend=backend, hold=hold)
    return {**found, f"ours: Mamba-2, {HEADS} heads": by_heads}


def training(scan: Scan, given: tuple[Tensor, ...]) -> Job:
    """Forward and backward."""

    def job() -> None:
        scan(*given)[0].sum().backward()
        for x in given:
            x.grad = None

    return job


def in_turn(
    jobs: dict[str, Job], rounds: int, clock: Callable[[], float]
) -> dict[str, list[float]]:
    """Seconds of every job in every round, after one round to warm up."""
    spent: dict[str, list[float]] = {name: [] for name in jobs}
    for k in range(rounds + 1):
        for name, job in jobs.items():
            start = clock()
            job()
            if k:
                spent[name].append(clock() - start)
    return spent


def summary(spent: list[float]) -> dict[str, float]:
    return {"min_ms": 1000 * min(spent), "median_ms": 1000 * statistics.median(spent)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--clock", choices=CLOCKS, default="wall")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    clock = CLOCKS[options.clock]
    print(f"{machine()}, {options.threads} threads, torch {torch.__version__};", end=" ")
    print(f"{options.rounds} rounds in turn, {options.clock} clock")
    if unavailable():
        print(f"no compiled scan: {unavailable()}")

    given = inputs(8, 250)
    jobs = {name: training(scan, given) for name, scan in forms().items()}
    figures = {name: summary(t) for name, t in in_turn(jobs, options.rounds, clock).items()}
    print(f"{'8 x 250 x 128 x 16, forward + backward':<40}{'min':>11}{'median':>12}")
    for name, row in figures.items():
        print(f"{name:<40}{row['min_ms']:>8.1f} ms{row['median_ms']:>9.1f} ms")

    backends = [name for name in jobs if name.endswith("exact")]
    print(f"{'1 x frames x 128 x 16, us per frame':<40}" + "".join(f"{n:>9}" for n in LENGTHS))
    for name in backends:
        growing = {str(n): training(forms()[name], inputs(1, n)) for n in LENGTHS}
        lengths = {n: summary(t) for n, t in in_turn(growing, 5, clock).items()}
        figures |= {f"{name}, {n} frames": row for n, row in lengths.items()}
        per_frame = [1000 * row["min_ms"] / int(n) for n, row in lengths.items()]
        print(f"{name:<40}" + "".join(f"{each:>9.1f}" for each in per_frame))
    if options.json:
        options.json.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
