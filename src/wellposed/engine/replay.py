"""One step of a run once more: from its alarm, or from a checkpoint and the scene numbers."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from wellposed.engine import checkpoint
from wellposed.engine.distributed import World
from wellposed.engine.journal import Journal
from wellposed.engine.recipe import load
from wellposed.engine.run import Run
from wellposed.engine.runfolder import RunFolder
from wellposed.engine.system import Batch, System
from wellposed.errors import RunError
from wellposed.guard import Finding, load_batch


@dataclass(frozen=True)
class Replayed:
    """What step `step` did when it was run again."""

    step: int
    source: str
    values: dict[str, float]
    """Means of the terms, loss and gradient norm; empty if the step was refused."""
    findings: list[Finding]


def replay(kind: type[System[Any]], path: Path, step: int) -> Replayed:
    """Run step `step` of the run in `path` again, on the CPU; the run's folder is not changed.

    A saved alarm brings batch and weights along. Without one the newest checkpoint at or
    before `step` is taken (the start, if there is none) and the steps between are repeated.
    """
    folder = RunFolder.open(path)
    system = kind(load(kind.recipe_type, folder.recipe))
    world = World(0, 1, torch.device("cpu"))
    run = Run(system, folder, world, Journal(folder, system.recipe, leads=False))
    alarm = folder.alarms / f"step-{step:08d}"
    batch: Batch | None = None
    if alarm.is_dir():
        content = load_batch(alarm).batch
        for name, weights in content["weights"].items():
            run.networks[name].load_state_dict(weights)
        batch, source = content["batch"], f"alarm {alarm.name}: its batch and weights"
    else:
        source = _approach(run, folder, step)
    values = run.stepper.step(run.batches.system_at(step), batch or run.batches.batch(step), step)
    numbers = {name: float(value) for name, value in (values or {}).items()}
    return Replayed(step, source, numbers, run.moving.guard.findings)


def _approach(run: Run, folder: RunFolder, step: int) -> str:
    """Bring the run to just before `step`."""
    before = {n: file for n, file in checkpoint.steps_of(folder.checkpoints).items() if n <= step}
    source = "the first step"
    if before:
        newest = before[max(before)]
        run.restore(checkpoint.load(newest))
        source = newest.name
    start = run.moving.step
    for number, batch in enumerate(run.batches.stream(start, step), start):
        if run.stepper.step(run.batches.system_at(number), batch, number) is None:
            raise RunError(f"{folder.path}: step {number}, before {step}, is not finite itself.")
    return f"{source}, {step - start} steps repeated"
