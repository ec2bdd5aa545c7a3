"""A replay: a run from a checkpoint or the start, with interventions, until its symptom shows.

It is the real run: the same loop, guard and validations. Only nothing is written.
"""

import math
import tempfile
import time
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import yaml
from torch import Tensor

from wellposed.engine.batches import Batches
from wellposed.engine.distributed import World
from wellposed.engine.explain.budget import OutOfTimeError, Watch
from wellposed.engine.explain.job import Case, Job, Outcome
from wellposed.engine.explain.symptom import Symptom
from wellposed.engine.interventions.altered import Altered, altered
from wellposed.engine.interventions.intervention import Intervention
from wellposed.engine.interventions.registry import named
from wellposed.engine.journal import Journal
from wellposed.engine.recipe import Recipe, changed, parse
from wellposed.engine.run import Run
from wellposed.engine.state import Moving
from wellposed.engine.stopping import StopRequest
from wellposed.engine.storage import checkpoint
from wellposed.engine.storage.history import read_history
from wellposed.engine.storage.runfolder import RunFolder
from wellposed.errors import RecipeError, RunError
from wellposed.guard.findings import Severity

VALIDATED = "valid/"
RANKS = list(Severity)


def replay(job: Job, watch: Watch = Watch()) -> Outcome:  # noqa: B008 (it has no state)
    """Do a job here, as long as `watch` lets it.

    What an intervention cannot be tried on is told in `refused`, a replay that the budget has
    ended in `unfinished`.
    """
    case, began = job.case, (time.monotonic(), time.process_time())
    if watch.budget.over:
        return Outcome(job.key, unfinished=True, step=case.start, last=case.symptom.steps)
    kind = case.kind()
    recipe = parse(kind.recipe_type, yaml.safe_load(case.recipe), "recipe")
    plain = kind(recipe)
    try:
        done = [named(name, plain) for name in job.interventions]
        for each in done:
            if said := each.refusal(plain, case.start):
                return Outcome(job.key, refused=said)
        stretch = math.prod(each.stretch for each in done)
        recipe = lengthened(recipe, case, stretch)
        system = altered(kind, recipe, done)
    except (RecipeError, AttributeError) as error:
        return Outcome(job.key, refused=str(error))
    if recipe.training.threads:
        torch.set_num_threads(recipe.training.threads)
    with ExitStack() as stack:
        for each in done:
            stack.enter_context(each.during())
        path = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="wellposed-explain-")))
        try:
            return _run(_Going(job, done, _last(case, stretch), path, watch), system, began)
        except (RuntimeError, TypeError) as error:
            # A system that cannot compute in float64 says so by PyTorch's own error. Without any
            # intervention it is an error of the run.
            if not done:
                raise
            return Outcome(job.key, refused=str(error).partition("\n")[0])


def lengthened(recipe: Recipe, case: Case, stretch: float) -> Recipe:
    """The recipe for `stretch` times as many steps, its schedule drawn out if it is whole."""
    training, schedule = recipe.training, recipe.schedule
    steps = max(training.steps, _last(case, stretch))
    if stretch == 1 and steps == training.steps:
        return recipe
    values: dict[str, Any] = {"training.steps": steps}
    if case.start == 0 and stretch > 1:
        values = {
            "training.steps": math.ceil(training.steps * stretch),
            "schedule.warmup_steps": round(schedule.warmup_steps * stretch),
            "validation.every": math.ceil(recipe.validation.every * stretch),
        }
    return changed(recipe, values, "replay")


def _last(case: Case, stretch: float) -> int:
    return case.start + math.ceil((case.symptom.steps - case.start) * stretch)


@dataclass(frozen=True)
class _Going:
    """What a replay is, and who looks at it."""

    job: Job
    done: Sequence[Intervention]
    last: int
    path: Path
    watch: Watch


def _run(going: _Going, system: Altered, began: tuple[float, float]) -> Outcome:
    job, done, folder = going.job, going.done, RunFolder(going.path)
    case = job.case
    watcher = Watcher(folder, system.recipe, case.symptom, case.history)
    run = _Replayed(system, folder, World(0, 1, torch.device("cpu")), watcher, done)
    if case.checkpoint:
        state = checkpoint.load(Path(case.checkpoint))
        run.restore(state)
        watcher.rewind(run.moving, state.get("journal"))
    for each in done:
        each.ready(run)
    watcher.begin(run.moving)
    run.before_step = lambda step: going.watch.look(job.key, step, going.last)
    system.before_measure = lambda: going.watch.look(job.key, run.moving.step, going.last)
    ended, unfinished = "", False
    try:
        run.train(watcher.stop, going.last)
    except OutOfTimeError:
        unfinished = True
    except RunError as error:
        ended = str(error).partition("\n")[0].replace(str(going.path), "replay")
    watcher.findings(run.moving)
    value = None if unfinished else watcher.value()
    by_figure = bool(case.symptom.figure) and not unfinished and case.symptom.shown_by(value)
    return Outcome(
        job.key,
        shown=bool(watcher.stop) or by_figure or bool(ended),
        step=run.moving.step,
        last=going.last,
        unfinished=unfinished and not watcher.stop,
        figure=value if value is not None and math.isfinite(value) else None,
        findings=tuple(watcher.found),
        seconds=time.monotonic() - began[0],
        processor_s=time.process_time() - began[1],
        ended=ended,
        differs=watcher.differs,
        compared=watcher.compared,
    )


class _Replayed(Run):
    """A run that writes nothing, and whose batches are the ones that interventions choose."""

    def __init__(
        self,
        system: Altered,
        folder: RunFolder,
        world: World,
        journal: Journal,
        done: Sequence[Intervention],
    ) -> None:
        super().__init__(system, folder, world, journal, alarms=False)
        self.batches = _Chosen(system, done)

    def save(self) -> None:
        """Keep nothing."""

    def _save_best(self, weights: dict[str, Tensor], system: Any) -> None:
        # The guard compares them with what is used; nobody will load them.
        self.moving.guard.kept(self.moving.selection.step, weights)


class _Chosen(Batches):
    def __init__(self, system: Altered, done: Sequence[Intervention]) -> None:
        super().__init__(system)
        self._done = done

    def _numbers(self, step: int) -> range:
        for each in self._done:
            step = each.batch(step)
        return super()._numbers(step)


class Watcher(Journal):
    """Writes nothing; waits for the symptom, and compares with what the run wrote."""

    def __init__(self, folder: RunFolder, recipe: Recipe, symptom: Symptom, history: str) -> None:
        """Take the rows of the run's history, if there is one."""
        super().__init__(folder, recipe, leads=False)
        self.stop = _Enough()
        self.found: list[tuple[str, str]] = []
        self.differs, self.compared = "", 0
        self._symptom = symptom
        self._known = 0
        self._values: deque[float] = deque(maxlen=symptom.over)
        rows = read_history(Path(history)) if history else []
        self._rows = {row["step"]: row["values"] for row in rows if row.get("kind") == "train"}

    def begin(self, moving: Moving) -> None:
        """Leave out what was found before."""
        self._known = len(moving.guard.findings)

    def collect(self, values: Mapping[str, Tensor]) -> None:
        """Remember the figure."""
        super().collect(values)
        name = self._symptom.figure
        if name in values:
            self._values.append(float(values[name]))

    def progress(self, moving: Moving, rate: float, batch_size: int) -> None:
        """Compare means with the row that the run wrote."""
        written = self._rows.get(moving.step)
        sums, counts = self._sums, self._counts
        self._sums, self._counts = {}, {}
        if written is None or self.differs:
            return
        self.compared += 1
        for name, total in sums.items():
            now, then = float(total) / counts[name], written.get(name)
            if then != now and not (then is not None and math.isnan(then) and math.isnan(now)):
                self.differs = f"step {moving.step}: {name} was {then}, is {now}"
                return

    def validation(
        self, moving: Moving, table: Mapping[str, Mapping[str, float | int]], best: bool
    ) -> None:
        """Remember the mean that is the figure."""
        name = self._symptom.figure
        if name.startswith(VALIDATED):
            entry = table.get(name.removeprefix(VALIDATED), {})
            self._values.append(float(entry.get("mean", math.nan)))

    def findings(self, moving: Moving) -> None:
        """Take note of new ones; the symptom ends the replay."""
        new = moving.guard.findings[self._known :]
        self._known = len(moving.guard.findings)
        for each in new:
            self.found.append((each.code, each.severity.value))
            severe = RANKS.index(each.severity) >= RANKS.index(Severity(self._symptom.severity))
            if each.code in self._symptom.codes and severe:
                self.stop.number = 1

    def value(self) -> float | None:
        """Mean of the figure over the last steps; None: there is none."""
        return sum(self._values) / len(self._values) if self._values else None


class _Enough(StopRequest):
    """A wish to stop that no signal has brought."""

    @property
    def name(self) -> str:
        """None."""
        return ""
