"""A recipe as the commands take it: a system or a file, a few short flags, and all of its own."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, TypeVar

import tyro

from wellposed.cli.options import read_flags, read_options, read_some_options
from wellposed.engine.launch import system_name
from wellposed.engine.recipe import Recipe, changed, load
from wellposed.engine.system import System
from wellposed.errors import RecipeError
from wellposed.systems import SYSTEMS, system_type


@dataclass
class Wanted:
    """What every command that takes a recipe takes beside the recipe's own flags."""

    what: Annotated[tyro.conf.Positional[str], tyro.conf.arg(metavar="SYSTEM|RECIPE")]
    """A system (codec, enhance, extract or locate), or a YAML recipe such as RUN/recipe.yaml."""
    size: Annotated[str | None, tyro.conf.arg(metavar="NAME")] = None
    """Preset of the model section, of those that `wellposed show SYSTEM` lists; without it the
    recipe's own."""
    data: Path | None = None
    """Short for --data.path: folder of audio or manifest.csv."""
    steps: int | None = None
    """Short for --training.steps."""


W = TypeVar("W", bound=Wanted)


def read_arguments(
    kind: type[W], program: str, flags: str, arguments: list[str]
) -> tuple[W, type[System[Any]], Recipe]:
    """Parse arguments of a command: its own options, the system, and the recipe.

    Defaults, a file and flags; later ones win. `flags` says beside the recipe's flags what the
    command takes. Raises RecipeError.
    """
    wants_help = {"-h", "--help"} & set(arguments)
    plain = [a for a in arguments if a not in ("-h", "--help")]
    if wants_help and (not plain or plain[0].startswith("-")):
        read_options(kind, program, ["--help"])
    head, rest = read_some_options(kind, program, plain)
    rest = [*rest, *wants_help]
    is_file = Path(head.what).suffix in (".yaml", ".yml") or Path(head.what).is_file()
    file = Path(head.what) if is_file else None
    if head.what not in SYSTEMS and Path(head.what).is_dir():
        raise RecipeError(
            f"{head.what}: is a folder; wanted a system ({', '.join(SYSTEMS)}) or a YAML recipe. "
            "The recipe of a run is RUN/recipe.yaml; `wellposed resume RUN` goes on with it."
        )
    system = system_type(system_name(file) if file else head.what)
    recipe: Recipe = load(system.recipe_type, file) if file else system.recipe_type()
    recipe = changed(recipe, _shortcuts(system, head), "command line")
    if rest:
        recipe = read_flags(recipe, f"{program} {head.what}", flags, rest)
    return head, system, recipe


def _shortcuts(system: type[System[Any]], head: Wanted) -> dict[str, Any]:
    changes: dict[str, Any] = {}
    if head.size is not None:
        if head.size not in system.sizes:
            raise RecipeError(f"--size {head.size}: there are {', '.join(system.sizes)}.")
        changes["model"] = system.sizes[head.size].model_dump(mode="json")
    if head.data is not None:
        changes["data.path"] = str(head.data.resolve())
    if head.steps is not None:
        changes["training.steps"] = head.steps
    return changes
