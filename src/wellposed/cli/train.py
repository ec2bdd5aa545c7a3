"""`wellposed train` and `wellposed resume`."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import tyro
from pydantic import ValidationError

from wellposed.engine.distributed import leads
from wellposed.engine.launch import resume as resume_run
from wellposed.engine.launch import start, system_name
from wellposed.engine.recipe import Recipe, changed, explain_errors, load
from wellposed.engine.runfolder import RunFolder
from wellposed.errors import RecipeError
from wellposed.systems import system_type

FLAGS = """Flags of the recipe. Beside them: --run DIR, --size NAME (`wellposed show SYSTEM`),
--data DIR, --steps N, and --until N to stop early; see `wellposed train --help`."""


@dataclass
class Head:
    """What `wellposed train` takes beside the recipe's own flags."""

    what: tyro.conf.Positional[str]
    """A system (enhance), or a YAML recipe such as RUN/recipe.yaml."""
    run: Path | None = None
    """Folder of the run; without it runs/SYSTEM-DATE-TIME."""
    size: str | None = None
    """Preset of the model section: see `wellposed show SYSTEM`."""
    data: Path | None = None
    """Short for --data.path: folder of audio or manifest.csv."""
    steps: int | None = None
    """Short for --training.steps."""
    until: int | None = None
    """Stop after this step, as if interrupted; `wellposed resume` goes on."""


def train(arguments: list[str]) -> int:
    """Train a system from defaults, a file and flags; later ones win."""
    head, rest = _head(arguments)
    is_file = Path(head.what).suffix in (".yaml", ".yml") or Path(head.what).is_file()
    file = Path(head.what) if is_file else None
    kind = system_type(system_name(file) if file else head.what)
    recipe: Recipe = load(kind.recipe_type, file) if file else kind.recipe_type()
    recipe = changed(recipe, _shortcuts(kind, head), "command line")
    recipe = _with_flags(kind.recipe_type, recipe, rest, f"wellposed train {head.what}")
    finish(start(kind, recipe, head.run, head.until))
    return 0


@dataclass
class Resume:
    """Go on with a run from its newest undamaged checkpoint."""

    run: tyro.conf.Positional[Path]
    """Folder of the run."""
    steps: int | None = None
    """New number of steps of the whole run; the schedule is stretched to it."""
    until: int | None = None
    """Stop after this step."""
    reset_optimizer: bool = False
    """Start with fresh moments, as after a change of objective."""
    set: Annotated[dict[str, str], tyro.conf.arg(metavar="KEY VALUE")] = field(default_factory=dict)
    """Other keys that may change, such as training.device cuda."""


def resume(arguments: list[str]) -> int:
    """Go on with a stopped run."""
    options = tyro.cli(Resume, prog="wellposed resume", args=arguments)
    changes: dict[str, Any] = dict(options.set)
    if options.steps is not None:
        changes["training.steps"] = options.steps
    kind = system_type(system_name(RunFolder.open(options.run).recipe))
    finish(
        resume_run(
            kind, options.run, changes, options.until, reset_optimizer=options.reset_optimizer
        )
    )
    return 0


def finish(run: Path) -> None:
    """Write the report of a run that stopped, and say where things are; one process does."""
    if not leads():
        return
    # Imported here: matplotlib takes a second that no training has to wait for.
    from wellposed.report.page import write_report

    page = write_report(run)
    print(f"run:    {run}\nreport: {page}")


def _head(arguments: list[str]) -> tuple[Head, list[str]]:
    """Split the arguments; the recipe's own flags are left for its own parser."""
    wants_help = {"-h", "--help"} & set(arguments)
    plain = [a for a in arguments if a not in ("-h", "--help")]
    if wants_help and (not plain or plain[0].startswith("-")):
        tyro.cli(Head, prog="wellposed train", args=["--help"])
    head, rest = tyro.cli(Head, prog="wellposed train", args=plain, return_unknown_args=True)
    return head, [*rest, *wants_help]


def _shortcuts(kind: type[Any], head: Head) -> dict[str, Any]:
    changes: dict[str, Any] = {}
    if head.size is not None:
        if head.size not in kind.sizes:
            raise RecipeError(f"--size {head.size}: there are {', '.join(kind.sizes)}.")
        changes["model"] = kind.sizes[head.size].model_dump(mode="json")
    if head.data is not None:
        changes["data.path"] = str(head.data.resolve())
    if head.steps is not None:
        changes["training.steps"] = head.steps
    return changes


def _with_flags(kind: type[Recipe], recipe: Recipe, flags: list[str], program: str) -> Recipe:
    if not flags:
        return recipe
    try:
        return tyro.cli(
            kind,
            prog=program,
            description=FLAGS,
            default=recipe,
            args=flags,
            config=(tyro.conf.FlagConversionOff,),
        )
    except ValidationError as error:
        raise RecipeError(explain_errors(kind, error, "command line")) from None
