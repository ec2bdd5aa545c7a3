"""`wellposed faults`: does the guard find what is known to be wrong, and nothing else?"""

import json
from dataclasses import dataclass
from pathlib import Path

from wellposed.cli.options import read_options
from wellposed.engine.storage.atomic import made_folder
from wellposed.errors import RecipeError
from wellposed.faults.injections import all_faults
from wellposed.faults.suite import (
    COLUMNS,
    fault_jobs,
    healthy_jobs,
    healthy_line,
    line,
    run_all,
    summary,
)


@dataclass
class Faults:
    """Put known faults into real runs and see what the guard says; then runs without any."""

    only: tuple[str, ...] = ()
    """Names of faults (see --list), or codes of findings that they lead to; without it all."""
    seeds: int = 1
    """Runs of each fault."""
    healthy: int = 0
    """How many runs without fault follow, over systems and learning rates within a factor 3."""
    workers: int = 0
    """Processes side by side; 0 works in this one."""
    json: Path | None = None
    """File for all outcomes, as JSON."""
    list: bool = False
    """Only say which faults there are."""


def faults(arguments: list[str]) -> int:
    """Run the suite; 1 if a fault was not named right or a healthy run was accused."""
    options = read_options(Faults, "wellposed faults", arguments)
    names = _names(options.only)
    if options.list:
        for name in names:
            kind = all_faults()[name]
            print(f"{name:<28}{'/'.join(kind.codes):<15}{kind.about()}")
        return 0
    if options.json is not None:
        made_folder(options.json.parent)
    trials, well = [], []
    print(COLUMNS, flush=True)
    for trial in run_all(fault_jobs(names, options.seeds), options.workers):
        print(line(trial), flush=True)
        trials.append(trial)
    print(summary(trials), flush=True)
    for trial in run_all(healthy_jobs(options.healthy), options.workers):
        print(healthy_line(trial), flush=True)
        well.append(trial)
    accused = sum(bool(each.alarms) for each in well)
    if well:
        print(f"{accused} of {len(well)} healthy runs with findings above INFO")
    if options.json is not None:
        text = json.dumps([each.to_json() for each in [*trials, *well]], indent=1)
        options.json.write_text(text + "\n", encoding="utf-8")
    return int(accused > 0 or any(each.verdict != "right" for each in trials))


def _names(only: tuple[str, ...]) -> list[str]:
    known = all_faults()
    if not only:
        return list(known)
    wanted = [n for n, kind in known.items() if n in only or set(kind.codes) & set(only)]
    unknown = set(only) - set(known) - {code for kind in known.values() for code in kind.codes}
    if unknown:
        raise RecipeError(f"--only {', '.join(sorted(unknown))}: there are {', '.join(known)}.")
    return wanted
