"""`wellposed tune`: search for a recipe by many runs that survive kills."""

import re
import time
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from wellposed.cli.options import read_some_options
from wellposed.cli.recipes import read_arguments
from wellposed.cli.tune import FLAGS, Tune
from wellposed.engine.distributed import own_device
from wellposed.engine.launch import prepared, system_name
from wellposed.engine.system import System
from wellposed.engine.tuning.objective import require_measurement
from wellposed.engine.tuning.outcome import (
    best_of,
    best_recipe,
    differing,
    lead,
    outcomes,
    table,
    write_outcome,
)
from wellposed.engine.tuning.search import search
from wellposed.engine.tuning.space import Axis, axes_of, read_space, require_comparable
from wellposed.engine.tuning.study import Sought, TuneFolder, read_sought
from wellposed.engine.tuning.worker import Task
from wellposed.errors import RecipeError
from wellposed.systems import system_type

_SPAN = re.compile(r"(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?")
_CLOCK = re.compile(r"(\d{1,2}):(\d{2})")


def tune(arguments: list[str]) -> int:
    """Search, or go on with a search; print its trials and the best recipe."""
    known = next((Path(each) for each in arguments if TuneFolder(Path(each)).holds_one), None)
    options, system, axes, path = _new(arguments) if known is None else _known(arguments, known)
    end = None if options.until is None else time.time() + seconds_until(options.until)
    sought = Sought.of(system, axes)
    task = Task(
        TuneFolder(path),
        sought,
        options.storage,
        trials=options.trials,
        tries=options.tries,
        lease_s=options.lease,
        prune=options.prune,
    )
    print(f"search: {path}\nobjective: {sought.objective}, {sought.better} is better", flush=True)
    study = search(task, options.workers, devices=options.devices, end=end, tell=_tell)
    found = outcomes(study)
    write_outcome(task.folder, found, sought)
    print(_summary(path, found, sought))
    return 0


def seconds_until(text: str, now: datetime | None = None) -> float:
    """Read 90s, 30m, 2h30m or a time of day as seconds from now. Raises RecipeError."""
    if text and (span := _SPAN.fullmatch(text)):
        hours, minutes, seconds = (int(each or 0) for each in span.groups())
        return 3600.0 * hours + 60.0 * minutes + seconds
    clock = _CLOCK.fullmatch(text)
    if clock is None or int(clock[1]) > 23 or int(clock[2]) > 59:
        raise RecipeError(f"--until {text}: wanted 90s, 30m, 2h30m, or a time of day, 20:25.")
    now = now or datetime.now()
    end = now.replace(hour=int(clock[1]), minute=int(clock[2]), second=0, microsecond=0)
    return ((end - now) % timedelta(days=1)).total_seconds()


def _new(arguments: list[str]) -> tuple[Tune, System[Any], tuple[Axis, ...], Path]:
    options, kind, recipe = read_arguments(Tune, "wellposed tune", FLAGS, arguments)
    _require_possible(options)
    axes = axes_of(read_space(options.space), recipe)
    require_measurement(kind(recipe))
    system = prepared(kind, recipe)
    require_comparable(axes, system)
    path = options.dir or Path("tunes") / f"{kind.name}-{datetime.now():%Y%m%d-%H%M%S}"
    if options.audit and not TuneFolder(path).holds_one:
        # Imported here: a search that goes on asks nothing.
        from wellposed.cli.train import ask

        ask(system, own_device(recipe.training.device), anyway=options.audit_anyway)
    return options, system, axes, path


def _require_possible(options: Tune) -> None:
    """Raise RecipeError for a number or a time that cannot be, before anything takes its time."""
    for name in ("trials", "workers", "tries", "lease"):
        if getattr(options, name) <= 0:
            raise RecipeError(f"--{name} {getattr(options, name)}: wanted a number above 0.")
    if options.until is not None:
        seconds_until(options.until)


def _known(arguments: list[str], path: Path) -> tuple[Tune, System[Any], tuple[Axis, ...], Path]:
    if any(each in ("-h", "--help") or each.startswith("--dir") for each in arguments):
        return _new(arguments)
    options, unknown = read_some_options(Tune, "wellposed tune", arguments)
    _require_possible(options)
    if unknown or options.space or options.steps or options.size or options.data:
        raise RecipeError(
            f"{path}: holds a search, whose space and recipe stay as they are (found "
            f"{' '.join(unknown) or '--space, --steps, --size or --data'}). Search another space "
            "in another folder."
        )
    kind = system_type(system_name(TuneFolder(path).facts))
    recipe, axes = read_sought(kind, path)
    return options, prepared(kind, recipe), axes, path


def _tell(line: str) -> None:
    print(line, flush=True)


def _summary(path: Path, found: list[Any], sought: Sought) -> str:
    best = best_of(found, sought)
    parts = ["", table(found, sought), ""]
    if best is None:
        return "\n".join([*parts, "no trial has run to its end yet"])
    changes = differing(best_recipe(best, sought), sought.recipe)
    return "\n".join(
        [
            *parts,
            f"best: trial {best.name}" + ("" if changes else ", the recipe as it stands"),
            *changes,
            lead(found, sought),
            f"recipe: {path / 'best.yaml'} (wellposed train {path / 'best.yaml'})",
            f"run:    {path / 'trials' / best.name}",
        ]
    ).replace("\n\n\n", "\n\n")
