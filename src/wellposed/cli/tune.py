"""`wellposed tune`, if the package that it stands on is here."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from wellposed.cli.recipes import Wanted, read_arguments
from wellposed.engine.tuning.optional import require_optuna

FLAGS = """Flags of the recipe, the same for all trials. Beside them: --space KEY=RANGE...,
--dir DIR, --trials N, --workers N, --until TIME, --steps N and more; see `wellposed tune --help`.
"""


@dataclass
class Tune(Wanted):
    """Search a space of recipes. WHAT is a system, a recipe, or the folder of a search to go on."""

    space: tuple[str, ...] = ()
    """KEY=LOW..HIGH [log | step S], KEY=A,B,C, or YAML files of `KEY: RANGE` lines."""
    dir: Path | None = None
    """Folder of the search; without it tunes/SYSTEM-DATE-TIME. The same again goes on."""
    trials: int = 20
    """Trials of the whole search, those of earlier calls included."""
    workers: int = 1
    """Processes that work at trials."""
    until: str | None = None
    """Stop by then, with all saved: 90s, 30m, 2h30m, or a time of day, 20:25."""
    prune: Literal["median", "hyperband", "none"] = "median"
    """Who ends trials early: those worse than the median of others by then, or by rungs."""
    tries: int = 3
    """How often a trial is begun whose workers die."""
    lease: float = 120.0
    """Seconds without a word after which a worker on another machine counts as dead."""
    storage: str | None = None
    """URL of a database, for machines without a common folder; without it a journal in DIR."""
    devices: tuple[str, ...] = ()
    """Devices that workers share out, such as cuda:0 cuda:1."""
    audit: bool = True
    """Whether to ask first if the problem is well posed; once for a search."""
    audit_anyway: bool = False
    """Go on where the audit has a FAIL."""


def tune(arguments: list[str]) -> int:
    """Search for a recipe by many runs, or go on with a search."""
    if {"-h", "--help"} & set(arguments):
        read_arguments(Tune, "wellposed tune", FLAGS, arguments)
    require_optuna()
    # Imported here: it imports Optuna, which is optional.
    from wellposed.cli.tune_search import tune as with_optuna

    return with_optuna(arguments)
