"""`wellposed tune`, if the package that it stands on is here."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

from wellposed.cli.recipes import Wanted, read_arguments
from wellposed.engine.tuning.optional import require_optuna

FLAGS = """Flags of the recipe, the same for all trials. Beside them: --space KEY=RANGE...,
--dir DIR, --trials N, --workers N, --until TIME, --steps N and more; see `wellposed tune --help`.
"""


@dataclass
class Tune(Wanted):
    """Search a space of recipes by many runs.

    With the folder of a search in place of a system, that search goes on.
    """

    space: Annotated[tuple[str, ...], tyro.conf.arg(metavar="AXIS ...")] = ()
    """Keys of the recipe and their ranges, each in quotes: "KEY=LOW..HIGH", "KEY=LOW..HIGH log",
    "KEY=LOW..HIGH step S" or KEY=A,B,C; or YAML files of `KEY: RANGE` lines."""
    dir: Path | None = None
    """Folder of the search; without it tunes/SYSTEM-DATE-TIME. With that of a search,
    that search goes on."""
    trials: int = 20
    """Trials of the whole search, those of earlier calls included."""
    workers: int = 1
    """Processes that work at trials side by side."""
    until: Annotated[str | None, tyro.conf.arg(metavar="TIME")] = None
    """Stop by then, with all saved: 90s, 30m, 2h30m, or a time of day, 20:25."""
    prune: Literal["median", "hyperband", "none"] = "median"
    """How trials end early: median, those worse than the median of others at that step; hyperband,
    by rungs; none, not at all."""
    tries: int = 3
    """How often at most a trial is begun whose workers die."""
    lease: float = 120.0
    """Seconds without a word after which a worker on another machine counts as dead."""
    storage: str | None = None
    """URL of a database, for machines without a common folder; without it a journal in DIR."""
    devices: Annotated[tuple[str, ...], tyro.conf.arg(metavar="DEVICE ...")] = ()
    """Devices that workers share out, such as cuda:0 cuda:1."""
    audit: bool = True
    """Do not ask first, once for a search, whether the problem is well posed."""
    audit_anyway: bool = False
    """Search even where an answer of the audit is FAIL."""


def tune(arguments: list[str]) -> int:
    """Search for a recipe by many runs, or go on with a search."""
    if {"-h", "--help"} & set(arguments):
        read_arguments(Tune, "wellposed tune", FLAGS, arguments)
    require_optuna()
    # Imported here: it imports Optuna, which is optional.
    from wellposed.cli.tune_search import tune as with_optuna

    return with_optuna(arguments)
