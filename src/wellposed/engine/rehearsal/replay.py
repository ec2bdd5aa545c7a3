"""One step of a run once more: from its alarm, or from a checkpoint and the scene numbers."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from wellposed.engine.distributed import World
from wellposed.engine.journal import Journal
from wellposed.engine.recipe import load
from wellposed.engine.run import Run
from wellposed.engine.storage import checkpoint
from wellposed.engine.storage.history import read_history
from wellposed.engine.storage.runfolder import RunFolder
from wellposed.engine.system import Batch, System
from wellposed.engine.telling.figures import counted
from wellposed.errors import RunError
from wellposed.guard import Alarm, Finding, load_batch


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
    before `step` is taken (the start, if there is none) and the steps between are repeated,
    with what the guard refused among them left out as it was then.
    """
    folder = RunFolder.open(path)
    system = kind(load(kind.recipe_type, folder.recipe))
    alarm = _alarm(folder, step)
    if alarm is None:
        _require_done(folder, step, system.recipe.training.log_every)
    # Draws depend on the rank: those of the one that had the bad batch.
    rank = int(alarm.finding.evidence.get("rank", 0)) if alarm and alarm.finding else 0
    world = World(rank, 1, torch.device("cpu"))
    run = Run(system, folder, world, Journal(folder, system.recipe, leads=False), alarms=False)
    fresh = run.moving.guard.state_dict()
    batch: Batch | None = None
    if alarm is not None:
        for name, weights in alarm.batch["weights"].items():
            run.networks[name].load_state_dict(weights)
        batch, source = alarm.batch["batch"], f"alarm step-{step:08d}: its batch and weights"
    else:
        source = _approach(run, folder, step)
    # A guard that has seen a bad step does not look for the cause of the next one.
    run.moving.guard.load_state_dict(fresh)
    values = run.stepper.step(run.batches.system_at(step), batch or run.batches.batch(step), step)
    numbers = {name: float(value) for name, value in (values or {}).items()}
    return Replayed(step, source, numbers, run.moving.guard.findings)


def _require_done(folder: RunFolder, step: int, log_every: int) -> None:
    """Raise RunError for a step that the run cannot have taken: rows come every so many steps."""
    rows = read_history(folder.history) if folder.history.exists() else []
    saved = checkpoint.steps_of(folder.checkpoints)
    done = max([0, *saved, *(row.get("step", 0) for row in rows)])
    if not 0 <= step <= done + log_every:
        raise RunError(
            f"{folder.path}: step {step} cannot be replayed: the run has come to step {done}. "
            "Wanted a step from 0 to that one."
        )


def _alarm(folder: RunFolder, step: int) -> Alarm | None:
    """Return the newest alarm of `step` that holds all weights (those of shards do not)."""
    name = f"step-{step:08d}"
    found = sorted(
        [folder.alarms / name, *folder.alarms.glob(f"{name}-*")],
        key=lambda path: int(path.name.removeprefix(name).lstrip("-") or 1),
    )
    for path in reversed(found):
        if not path.is_dir():
            continue
        try:
            alarm = load_batch(path)
        except (OSError, ValueError) as error:
            raise RunError(
                f"{path}: this alarm cannot be read ({error}). Remove it, to replay the step from "
                "a checkpoint."
            ) from error
        weights = [value for each in alarm.batch["weights"].values() for value in each.values()]
        if all(isinstance(value, Tensor) for value in weights):
            return alarm
    return None


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
        run.stepper.step(run.batches.system_at(number), batch, number)
    return f"{source}, {counted(step - start, 'step')} repeated"
