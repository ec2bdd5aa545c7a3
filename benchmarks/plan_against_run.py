"""Does a run take what its plan said? The plan is made, the run is done, both are printed.

    python benchmarks/plan_against_run.py [STEPS]

A tiny enhancer on synthetic sound. The machine's own load counts: on a busy one it changes
between plan and run, which no plan can know; the last column says when it did.
"""

import os
import sys
import time
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

from wellposed.engine.launch import prepared, start
from wellposed.engine.planning.measuring import Peak, plan_run
from wellposed.engine.recipe import changed
from wellposed.engine.storage.history import read_history
from wellposed.systems.enhance.recipe import SIZES, EnhanceRecipe
from wellposed.systems.enhance.system import Enhance


def main() -> None:
    """Plan, run, compare."""
    steps = int(sys.argv[1]) if len(sys.argv) > 1 else 120
    recipe = changed(
        EnhanceRecipe(),
        {
            "model": SIZES["tiny"].model_dump(mode="json"),
            "training.steps": steps,
            "training.checkpoint_every": 20,
            "validation.every": max(steps // 3, 1),
            "validation.scenes": 8,
        },
        "benchmark",
    )
    device = torch.device("cpu")
    loads = [os.getloadavg()[0]]
    budget = plan_run(partial(prepared, Enhance, recipe), device)
    loads.append(os.getloadavg()[0])
    with TemporaryDirectory() as folder:
        path = Path(folder) / "run"
        peak = Peak(device)
        began = time.monotonic()
        start(Enhance, recipe, path, None)
        took, memory = time.monotonic() - began, peak.bytes()
        disk = sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
        training = read_history(path / "history.jsonl")[-1]["time_s"]
    loads.append(os.getloadavg()[0])
    print(budget.text())
    print(f"\ntook {took:.1f} s ({training:.1f} s of it training and validating)")
    print(f"memory {memory / 1e9:.3g} GB, disk {disk / 1e6:.3g} MB without the report")
    inside = budget.time.low <= took <= budget.time.high
    print(f"time {'inside' if inside else 'OUTSIDE'} the interval, {took / budget.time.value:.2f} "
          f"of the estimate; load {loads[0]:.1f}, {loads[1]:.1f}, {loads[2]:.1f}")  # fmt: skip


if __name__ == "__main__":
    main()
