"""Starting and resuming runs: from a recipe and a folder to a finished training."""

import json
import platform
from pathlib import Path
from typing import Any

import torch

from wellposed.engine import checkpoint
from wellposed.engine.atomic import replacing
from wellposed.engine.distributed import World, joined
from wellposed.engine.journal import Journal
from wellposed.engine.recipe import Recipe, changed, differences, dump, load, read_yaml
from wellposed.engine.run import Run
from wellposed.engine.runfolder import RunFolder
from wellposed.engine.stopping import stop_on_signal
from wellposed.engine.system import System
from wellposed.engine.use import load_networks
from wellposed.errors import RecipeError

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


def start(kind: type[System[Any]], recipe: Recipe, path: Path | None, until: int | None) -> Path:
    """Train `recipe` in a new folder (named after system and time if `path` is None).

    Raises RunError for a folder that cannot be used, and whatever the run raises.
    """
    with joined(recipe.training.device) as world:
        folder = _folder(kind, recipe, path, world)
        if world.leads:
            _write(folder.recipe, dump(recipe))
            _write(folder.environment, json.dumps(_environment(world), indent=2) + "\n")
        _train(kind, recipe, folder, world, until=until)
        return folder.path


def resume(
    kind: type[System[Any]],
    path: Path,
    changes: dict[str, Any],
    until: int | None = None,
    *,
    reset_optimizer: bool = False,
) -> Path:
    """Go on from the newest undamaged checkpoint of a run.

    `changes` are dotted keys among MAY_CHANGE. Raises RecipeError for others, and for a
    recipe.yaml that was edited since the checkpoint was written.
    """
    folder = RunFolder.open(path)
    recipe = load(kind.recipe_type, folder.recipe)
    forbidden = [key for key in changes if key not in MAY_CHANGE]
    if forbidden:
        raise RecipeError(
            f"{path}: a resumed run keeps {', '.join(forbidden)}. It may change "
            f"{', '.join(MAY_CHANGE)}. For another recipe start another run."
        )
    recipe = changed(recipe, changes, "command line")
    with joined(recipe.training.device) as world:
        _train(kind, recipe, folder, world, until=until, resumed=True, reset=reset_optimizer)
    return path


def _train(
    kind: type[System[Any]],
    recipe: Recipe,
    folder: RunFolder,
    world: World,
    *,
    until: int | None,
    resumed: bool = False,
    reset: bool = False,
) -> None:
    if recipe.training.batch_size % (world.ranks * recipe.training.accumulate):
        raise RecipeError(
            f"training.batch_size = {recipe.training.batch_size} cannot be divided among "
            f"{world.ranks} processes x {recipe.training.accumulate} pieces."
        )
    if recipe.training.threads:
        torch.set_num_threads(recipe.training.threads)
    with folder.locked(world.rank), stop_on_signal() as stop:
        system = kind(recipe)
        with Journal(folder, recipe, world.leads) as journal:
            run = Run(system, folder, world, journal)
            if resumed:
                _restore(run, folder, journal, world, reset=reset)
            else:
                journal.event(run.moving, "started", _sentence(run, recipe, world))
            run.train(stop, until)
        if world.leads and folder.best_model.exists():
            networks, _ = load_networks(system, folder.best_model)
            system.show_examples(networks, folder.examples)


def _restore(run: Run, folder: RunFolder, journal: Journal, world: World, *, reset: bool) -> None:
    path, state, damaged = checkpoint.latest(folder.checkpoints)
    _require_same(run.recipe, type(run.recipe).model_validate(state["recipe"]), path)
    if state["data"] != run.system.data_digest:
        raise RecipeError(
            f"{path}: was trained on other data (digest {state['data'][:12]}, now "
            f"{run.system.data_digest[:12]}). Restore the files, or start another run."
        )
    run.restore(state, reset_optimizer=reset)
    if world.leads:
        journal.rewind(run.moving)
        for damage in damaged:
            journal.event(run.moving, "damaged", damage.reason)
        before, now = json.loads(folder.environment.read_text()), _environment(world)
        other = [
            f"{key} {before.get(key)} -> {now[key]}" for key in now if before.get(key) != now[key]
        ]
        note = f"; not bit for bit, since {', '.join(other)}" if other else ""
        journal.event(run.moving, "resumed", f"from {path.name}{note}")


def _require_same(now: Recipe, then: Recipe, path: Path) -> None:
    changes = {k: v for k, v in differences(now, then).items() if k not in MAY_CHANGE}
    if changes:
        listed = ", ".join(f"{key} is {new!r}, was {old!r}" for key, (new, old) in changes.items())
        raise RecipeError(
            f"{path}: recipe.yaml differs from the recipe of this checkpoint: {listed}. "
            "Put the old values back, or start another run with the new ones."
        )


def _folder(kind: type[System[Any]], recipe: Recipe, path: Path | None, world: World) -> RunFolder:
    """Make the folder; the other ranks wait for the leader and open it."""
    if world.ranks == 1:
        return RunFolder.create(path, kind.name)
    if path is None:
        raise RecipeError("with several processes the run folder must be named: --run DIR.")
    folder = RunFolder.create(path, kind.name) if world.leads else RunFolder(path)
    torch.distributed.barrier()
    return folder


def _environment(world: World) -> dict[str, Any]:
    """Return what bits depend on beyond the recipe."""
    cuda = world.device.type == "cuda"
    return {
        "torch": torch.__version__,
        "python": platform.python_version(),
        "machine": platform.machine(),
        "device": torch.cuda.get_device_name(world.device) if cuda else "cpu",
        "threads": torch.get_num_threads(),
        "processes": world.ranks,
    }


def _write(path: Path, text: str) -> None:
    with replacing(path) as file:
        file.write(text.encode())


def _sentence(run: Run, recipe: Recipe, world: World) -> str:
    count = sum(p.numel() for net in run.networks.values() for p in net.parameters())
    return (
        f"{run.system.name}: {count / 1e6:.3f} M parameters, {recipe.training.steps} steps of "
        f"{recipe.training.batch_size} scenes on {world.device}, data {run.system.data_digest[:12]}"
    )


def system_name(path: Path) -> str:
    """Name of the system that a recipe file or the recipe of a run folder is for."""
    file = path / "recipe.yaml" if path.is_dir() else path
    name = read_yaml(file).get("system")
    if not isinstance(name, str):
        raise RecipeError(f"{file}: no key `system`, wanted for example `system: enhance`.")
    return name
