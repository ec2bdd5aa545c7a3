"""Starting and resuming runs: from a recipe and a folder to a finished training."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import torch

from wellposed.engine.distributed import World, joined, leads, own_device, rank_count
from wellposed.engine.environment import environment_text, other_environment
from wellposed.engine.journal import Journal
from wellposed.engine.recipe import Recipe, changed, differences, dump, load, parse, read_yaml
from wellposed.engine.run import Run
from wellposed.engine.stopping import StopRequest, stop_on_signal
from wellposed.engine.storage import checkpoint
from wellposed.engine.storage.atomic import write_text
from wellposed.engine.storage.history import read_history
from wellposed.engine.storage.runfolder import RunFolder
from wellposed.engine.system import System
from wellposed.engine.telling.tracking import require_trackers
from wellposed.engine.use import load_networks
from wellposed.engine.validation import direction, scenes_hash
from wellposed.errors import RecipeError, RunError, WellposedError

MAY_CHANGE = (
    "training.steps",
    "training.log_every",
    "training.checkpoint_every",
    "training.workers",
    "training.threads",
    "training.device",
    "training.refusals_allowed",
    "validation.patience",
)
"""What a resumed run may be told anew: how long and where, never what is learned from what."""

Examiner = Callable[[System[Any], torch.device], str]
"""Who asks something of a system before its run: the answers as JSON, or ""; a WellposedError
refuses the run."""
Watch = Callable[[Run], None]
"""Who wants to see a run before its next step, as it was begun or restored."""


def start(
    kind: type[System[Any]],
    recipe: Recipe,
    path: Path | None,
    until: int | None,
    *,
    audit: Examiner | None = None,
    watch: Watch | None = None,
    log_to: Sequence[str] = (),
) -> Path:
    """Train `recipe` in a new folder (named after system and time if `path` is None).

    What can be checked is checked before there is a folder; that is also when `audit` is asked.
    `watch` sees the run before its first step. `log_to` names trackers that get the rows of the
    history too. Raises RecipeError for a recipe that cannot be
    trained, RunError for a folder that cannot be used or an audit that refuses, and whatever the
    run raises; KeyboardInterrupt or SystemExit after a signal, when all is saved.
    """
    require_trackers(log_to)
    system = _checked(kind, recipe)
    # Before the processes are joined: a guard that sees others would talk to them.
    said = _asked(audit, system, path) if audit is not None and leads() else _Said()
    with joined(recipe.training.device) as world:
        answers = _heeded(said, world)
        folder = _folder(kind, path, world)
        if world.leads:
            write_text(folder.environment, environment_text(world))
            if answers:
                write_text(folder.audit, answers + "\n")
            write_text(folder.recipe, dump(recipe))
        stop = _train(system, folder, world, until, partial(_begin, watch=watch), log_to)
    stop.leave()
    return folder.path


def resume(
    kind: type[System[Any]],
    path: Path,
    changes: dict[str, Any],
    until: int | None = None,
    *,
    reset_optimizer: bool = False,
    watch: Watch | None = None,
    log_to: Sequence[str] = (),
) -> Path:
    """Go on from the newest undamaged checkpoint of a run, or from its start if it had none yet.

    `changes` are dotted keys among MAY_CHANGE; they are written to recipe.yaml, for the next
    resume too. Raises RecipeError for others, for a recipe.yaml that was edited since the
    checkpoint was written, and for other data; else as `start`.
    """
    require_trackers(log_to)
    folder = RunFolder.open(path)
    recipe = load(kind.recipe_type, folder.recipe)
    recipe = changed(recipe, changes, "command line")
    forbidden = [key for key in changes if key not in MAY_CHANGE]
    if forbidden:
        raise RecipeError(
            f"{path}: a resumed run keeps {', '.join(forbidden)}. It may change "
            f"{', '.join(MAY_CHANGE)}. For another recipe start another run."
        )
    with joined(recipe.training.device) as world:
        system = _checked(kind, recipe)
        go_on = partial(_go_on, reset_optimizer=reset_optimizer, watch=watch)
        stop = _train(system, folder, world, until, go_on, log_to)
    stop.leave()
    return path


def _checked(kind: type[System[Any]], recipe: Recipe) -> System[Any]:
    """Return the system of `recipe`, with its data opened, ready to be trained by all processes."""
    training, ranks = recipe.training, rank_count()
    if training.batch_size % (ranks * training.accumulate):
        raise RecipeError(
            f"training.batch_size = {training.batch_size} cannot be divided among "
            f"{ranks} processes x {training.accumulate} pieces (training.accumulate): "
            f"make it a multiple of {ranks * training.accumulate}."
        )
    return prepared(kind, recipe)


def prepared(kind: type[System[Any]], recipe: Recipe) -> System[Any]:
    """Return the system of `recipe` with its data opened, and PyTorch's threads as it says.

    Raises RecipeError for a metric that cannot choose a checkpoint, DataError for the data.
    """
    if recipe.training.threads:
        torch.set_num_threads(recipe.training.threads)
    system = kind(recipe)
    direction(system)
    scenes_hash(system)
    return system


class _Said(NamedTuple):
    """What an audit has said: its answers, or why the run is refused."""

    answers: str = ""
    refusal: WellposedError | None = None


def _asked(audit: Examiner, system: System[Any], path: Path | None) -> _Said:
    try:
        # Nobody waits for an audit to hear of a folder; what else is wrong with it is told later.
        with suppress(OSError):
            if path is not None and path.is_dir():
                RunFolder(path).require_free()
        return _Said(audit(system, own_device(system.recipe.training.device)))
    except WellposedError as error:
        return _Said(refusal=error)


def _heeded(said: _Said, world: World) -> str:
    """Let every rank know what the leader was told; the answers. Raises what refuses the run."""
    refusals = ["" if said.refusal is None else str(said.refusal)]
    if world.ranks > 1:
        torch.distributed.broadcast_object_list(refusals, device=world.device)
    if said.refusal is not None:
        raise said.refusal
    if refusals[0]:
        raise RunError(refusals[0])
    return said.answers


def _train(
    system: System[Any],
    folder: RunFolder,
    world: World,
    until: int | None,
    begin: Callable[[Run], None],
    log_to: Sequence[str] = (),
) -> StopRequest:
    """Run to the end or to a stop, between `begin` and the examples; the folder is locked."""
    with (
        folder.locked(world.rank),
        stop_on_signal() as stop,
        Journal(folder, system.recipe, world.leads, log_to) as journal,
    ):
        run = Run(system, folder, world, journal)
        begin(run)
        run.train(stop, until)
        # Who stops a run by a signal does not wait for examples.
        stopped = bool(stop) and not run.finished
        if world.leads and not stopped and folder.best_model.exists():
            networks, _ = load_networks(system, folder.best_model)
            system.show_examples(networks, folder.examples)
    return stop if stopped else StopRequest()


def _begin(run: Run, watch: Watch | None = None) -> None:
    run.journal.event(run.moving, "started", _sentence(run))
    if watch is not None:
        watch(run)


def _go_on(run: Run, *, reset_optimizer: bool, watch: Watch | None) -> None:
    folder, journal = run.folder, run.journal
    name, damaged, collected = "the start: no checkpoint was written before", [], None
    rows = read_history(folder.history) if folder.history.exists() else []
    if checkpoint.steps_of(folder.checkpoints) or _has_passed_a_checkpoint(run, rows):
        path, state, damaged = checkpoint.latest(folder.checkpoints)
        _require_same(run, state, path)
        run.restore(state, reset_optimizer=reset_optimizer)
        _require_steps_left(run)
        # Checkpoints of the first version have no such entry.
        name, collected = path.name, state.get("journal")
    journal.rewind(run.moving, collected)
    if watch is not None:
        watch(run)
    if not run.world.leads:
        return
    write_text(folder.recipe, dump(run.recipe))
    if run.moving.step == 0 and not rows:
        _begin(run)  # killed before it could say so
    for damage in damaged:
        journal.event(run.moving, "damaged", damage.reason)
    journal.event(run.moving, "resumed", f"from {name}{other_environment(folder, run.world)}")


def _require_steps_left(run: Run) -> None:
    done, planned = run.moving.step, run.recipe.training.steps
    if done > planned:
        raise RecipeError(
            f"{run.folder.path}: has taken {done} steps, which are more than training.steps = "
            f"{planned}. Give a number that is not below what has been done."
        )


def _has_passed_a_checkpoint(run: Run, rows: list[dict[str, Any]]) -> bool:
    """Whether checkpoints must have been here: a run that lost them is not begun anew."""
    return any(row.get("step", 0) > run.recipe.training.checkpoint_every for row in rows)


def _require_same(run: Run, state: dict[str, Any], path: Path) -> None:
    then = parse(type(run.recipe), state["recipe"], str(path))
    changes = {k: v for k, v in differences(run.recipe, then).items() if k not in MAY_CHANGE}
    if changes:
        listed = ", ".join(f"{key} is {new!r}, was {old!r}" for key, (new, old) in changes.items())
        raise RecipeError(
            f"{path}: recipe.yaml differs from the recipe of this checkpoint: {listed}. "
            "Put the old values back, or start another run with the new ones."
        )
    if state["data"] != run.system.data_digest:
        raise RecipeError(
            f"{path}: was trained on other data (digest {state['data'][:12]}, now "
            f"{run.system.data_digest[:12]}). Restore the files, or start another run."
        )


def _folder(kind: type[System[Any]], path: Path | None, world: World) -> RunFolder:
    """Make the folder; the other ranks wait for the leader to say which it is."""
    if world.ranks == 1:
        return RunFolder.create(path, kind.name)
    made = [str(RunFolder.create(path, kind.name).path) if world.leads else ""]
    torch.distributed.broadcast_object_list(made, device=world.device)
    return RunFolder(Path(made[0]))


def _sentence(run: Run) -> str:
    training = run.recipe.training
    count = sum(p.numel() for net in run.networks.values() for p in net.parameters())
    return (
        f"{run.system.name}: {count / 1e6:.3f} M parameters, {training.steps} steps of "
        f"{training.batch_size} scenes on {run.world.device}, data {run.system.data_digest[:12]}"
    )


def system_name(path: Path) -> str:
    """Name of the system that a recipe file or the recipe of a run folder is for."""
    file = path / "recipe.yaml" if path.is_dir() else path
    name = read_yaml(file).get("system")
    if not isinstance(name, str):
        raise RecipeError(f"{file}: no key `system`, wanted for example `system: enhance`.")
    return name
