"""A few steps, scenes and checkpoints of a planned run, timed in a temporary folder.

The steps are those of the run itself: rendering ahead, guard, optimizer, average of weights. The
networks are thrown away.
"""

import json
import resource
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch

from wellposed.engine.distributed import World
from wellposed.engine.journal import Journal
from wellposed.engine.planning.budget import Budget, Estimate, Work, often, split_by
from wellposed.engine.recipe import Recipe, changed
from wellposed.engine.run import Run
from wellposed.engine.storage import checkpoint
from wellposed.engine.storage.runfolder import RunFolder
from wellposed.engine.system import System
from wellposed.engine.telling.figures import counted
from wellposed.engine.validation import AGAIN, resting, summary

WARM = 3
"""Steps before the measured ones: as many as are rendered ahead, and what is done once is done."""
STEPS = 12
"""Steps that are measured by default."""
SCENES = 4
"""Validation scenes that are measured."""
SAVES = 3
"""Checkpoints that are written."""
KEPT = 2
"""Checkpoints that a run keeps; see `checkpoint.save`."""


@dataclass
class Timed:
    """Durations by kind of work [s]."""

    seconds: dict[str, list[float]] = field(default_factory=dict)

    @contextmanager
    def of(self, name: str, device: torch.device) -> Iterator[None]:
        """Time the body, with what it left to a CUDA device to do."""
        began = time.monotonic()
        yield
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        self.seconds.setdefault(name, []).append(time.monotonic() - began)


def plan_run(
    make: Callable[[], System[Any]],
    device: torch.device,
    *,
    ranks: int = 1,
    steps: int = STEPS,
    price: float | None = None,
) -> Budget:
    """Measure the run of a system, which `make` opens, and say what all of it will take.

    With several `ranks` one process is measured with its share of a batch; what they tell each
    other is not. Random state and threads of torch are left as they were found.
    """
    timed = Timed()
    peak = Peak(device)
    with (
        TemporaryDirectory(prefix="wellposed-plan-") as folder,
        torch.random.fork_rng([device] if device.type == "cuda" else []),
    ):
        with timed.of("start", device):
            system = make()
            whole = system.recipe
            if ranks > 1:
                share = whole.training.batch_size // ranks
                system = system.with_recipe(
                    changed(whole, {"training.batch_size": share}, "torchrun")
                )
            run = _silent_run(system, RunFolder(Path(folder)), World(0, 1, device))
        looked, row = _steps(run, steps, timed)
        scores = _scenes(run, timed)
        size = _saves(run, timed)
        with timed.of("examples", device):
            run.folder.examples.mkdir()
            with resting(run.networks), torch.no_grad():
                system.show_examples(run.networks, run.folder.examples)
        examples = sum(path.stat().st_size for path in run.folder.examples.rglob("*.*"))
        memory = peak.bytes()
        run.moving.guard.release()
    rows = often(whole.training.steps, whole.training.log_every) * row
    rows += often(whole.training.steps, whole.validation.every) * scores
    weights = sum(p.numel() * p.element_size() for n in run.networks.values()
                  for p in n.parameters())  # fmt: skip
    disk = KEPT * size + weights + rows + examples
    cache = whole.data.cache_mib * 2**20 if whole.data.path is not None else 0
    return Budget(
        subject=_subject(system, whole, ranks, device),
        work=_work(run, timed, looked, whole),
        memory=Estimate(memory, memory, memory + cache),
        device_memory=peak.device_bytes(),
        disk=Estimate(disk, disk, disk + size),
        price=price,
    )


class Peak:
    """The largest resident memory of this process from now on."""

    def __init__(self, device: torch.device) -> None:
        """Forget earlier peaks, where the system allows it (Linux)."""
        self._device = device
        with suppress(OSError):
            Path("/proc/self/clear_refs").write_text("5")
        if device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(device)

    def bytes(self) -> float:
        """Resident memory at its largest; on systems without /proc since the process began."""
        with suppress(OSError):
            for line in Path("/proc/self/status").read_text().splitlines():
                if line.startswith("VmHWM:"):
                    return float(line.split()[1]) * 1024
        largest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return float(largest) * (1 if sys.platform == "darwin" else 1024)

    def device_bytes(self) -> float:
        """Memory that was reserved on the CUDA device; 0 without one."""
        if self._device.type != "cuda":
            return 0.0
        return float(torch.cuda.max_memory_reserved(self._device))


def _silent_run(system: System[Any], folder: RunFolder, world: World) -> Run:
    journal = Journal(folder, system.recipe, leads=False)
    return Run(system, folder, world, journal, alarms=False)


def _steps(run: Run, count: int, timed: Timed) -> tuple[list[bool], int]:
    """Time steps; which of them the guard looked at closely, and the size of a row [bytes]."""
    looked, values = [], {}
    last = WARM + count
    # More batches than are taken, so that rendering ahead goes on beside the last steps too.
    stream = run.batches.stream(0, last + WARM)
    device, moving = run.world.device, run.moving
    with timed.of("first steps", device):
        for number in range(WARM):
            values = _one(run, next(stream), number) or values
    for number in range(WARM, last):
        with timed.of("step", device):
            values = _one(run, next(stream), number) or values
        looked.append(moving.guard.due(number))
    stream.close()
    told = {name: float(value) for name, value in values.items()}
    return looked, len(json.dumps({"kind": "train", "time_s": 0.123456789, "values": told}))


def _one(run: Run, batch: Any, number: int) -> dict[str, Any] | None:
    values = run.stepper.step(run.batches.system_at(number), batch, number)
    run.moving.step = number + 1
    run.moving.average.update()
    return values


def _scenes(run: Run, timed: Timed) -> int:
    """Time scenes as the first validation measures them, and again; size of a row [bytes]."""
    system, device = run.system, run.world.device
    count = min(SCENES, system.recipe.validation.scenes)
    rows = {}
    with resting(run.networks), torch.no_grad():
        for number in range(count):
            with timed.of("scene", device):
                item = system.item("valid", number)
                rows[number] = dict(system.measure(run.networks, item))
                system.trivial(item)
        for number in range(count):
            with timed.of("scene again", device):
                system.measure(run.networks, system.item("valid", number))
    return len(json.dumps(summary(rows, system.recipe.seed)))


def _saves(run: Run, timed: Timed) -> int:
    """Time checkpoints; the size of one [bytes]."""
    for _ in range(SAVES):
        with timed.of("checkpoint", run.world.device):
            run.save()
    return checkpoint.steps_of(run.folder.checkpoints)[run.moving.step].stat().st_size


def _work(run: Run, timed: Timed, looked: list[bool], recipe: Recipe) -> tuple[Work, ...]:
    training, validation = recipe.training, recipe.validation
    close, plain = split_by(timed.seconds["step"], looked)
    steps = training.steps
    looks = sum(run.moving.guard.due(step) for step in range(steps))
    if not close or not plain:
        close, plain, looks = [], timed.seconds["step"], 0
    checks = often(steps, validation.every)
    again = (checks - 1) * validation.scenes + checks * min(AGAIN, validation.scenes)
    kinds = {
        "start": (timed.seconds["start"], 1),
        "steps": (plain, steps - looks),
        "steps with a close look": (close, looks),
        "first validation": (timed.seconds["scene"], validation.scenes),
        "later validations": (timed.seconds["scene again"], again),
        "checkpoints": (timed.seconds["checkpoint"], often(steps, training.checkpoint_every)),
        "examples": (timed.seconds["examples"], 1),
    }
    return tuple(Work(name, tuple(s), count) for name, (s, count) in kinds.items() if s)


def _subject(system: System[Any], recipe: Recipe, ranks: int, device: torch.device) -> str:
    training, validation = recipe.training, recipe.validation
    where = f"{device}" if ranks == 1 else f"{ranks} processes"
    validations = counted(often(training.steps, validation.every), "validation")
    return (
        f"{system.name}: {counted(training.steps, 'step')} of "
        f"{counted(training.batch_size, 'scene')} and {validations} of "
        f"{counted(validation.scenes, 'scene')} on {where}"
    )
