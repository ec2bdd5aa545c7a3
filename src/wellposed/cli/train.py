"""`wellposed train` and `wellposed resume`."""

import sys
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import torch
import tyro

from wellposed.cli.options import Changes, read_options
from wellposed.cli.recipes import Wanted, read_arguments
from wellposed.engine.distributed import leads
from wellposed.engine.launch import resume as resume_run
from wellposed.engine.launch import start, system_name
from wellposed.engine.storage.runfolder import RunFolder
from wellposed.engine.system import System
from wellposed.systems import system_type

FLAGS = """Flags of the recipe. Beside them: --run DIR, --size NAME (`wellposed show SYSTEM`),
--data DIR, --steps N, --until N to stop early, --no-audit, --audit-anyway and --log-to; see
`wellposed train --help`. Phases of a curriculum and criteria of the validation have no flags: a
YAML file states them, as `wellposed show SYSTEM` does."""


@dataclass
class Train(Wanted):
    """Train a system by its recipe: defaults, then a YAML file, then flags; later ones win.

    `wellposed train SYSTEM --help` lists the flags of the recipe, with what each value means.
    """

    run: Path | None = None
    """Folder of the run; without it runs/SYSTEM-DATE-TIME."""
    until: int | None = None
    """Stop after this step, as if interrupted; `wellposed resume` goes on."""
    audit: bool = True
    """Do not ask first whether the problem is well posed, which takes a minute, and more
    where in doubt."""
    audit_anyway: bool = False
    """Train even where an answer of the audit is FAIL."""
    log_to: tuple[str, ...] = ()
    """Trackers that get history and findings too: tensorboard, wandb, or both."""


def train(arguments: list[str]) -> int:
    """Train a system from defaults, a file and flags; later ones win."""
    head, kind, recipe = read_arguments(Train, "wellposed train", FLAGS, arguments)
    asked = partial(ask, anyway=head.audit_anyway) if head.audit else None
    finish(start(kind, recipe, head.run, head.until, audit=asked, log_to=head.log_to))
    return 0


def ask(system: System[Any], device: torch.device, *, anyway: bool) -> str:
    """Print the audit and return it for the run folder. Raises RunError for a FAIL."""
    # Imported here: a run that is not audited does not wait for it.
    from wellposed.cli.audit_run import before_run, refuse

    print("asking first whether the problem is well posed (--no-audit does not)", file=sys.stderr)
    pages = before_run(system, device)
    if pages is None:
        return ""
    print(pages.text)
    if not anyway:
        refuse(pages)
    return pages.json


@dataclass
class Resume:
    """Go on with a run from its newest undamaged checkpoint."""

    run: tyro.conf.Positional[Path]
    """Folder of the run."""
    steps: int | None = None
    """New number of steps of the whole run; the schedule is stretched to it."""
    until: int | None = None
    """Stop after this step, as if interrupted."""
    reset_optimizer: bool = False
    """Forget the optimizer's moments, as after a change of the objective."""
    set: Changes = field(default_factory=dict)
    """Change other keys of the recipe that may change, such as training.device cuda."""
    log_to: tuple[str, ...] = ()
    """Trackers that get history and findings too: tensorboard, wandb, or both."""


def resume(arguments: list[str]) -> int:
    """Go on with a stopped run."""
    options = read_options(Resume, "wellposed resume", arguments)
    changes: dict[str, Any] = dict(options.set)
    if options.steps is not None:
        changes["training.steps"] = options.steps
    kind = system_type(system_name(RunFolder.open(options.run).recipe))
    finish(
        resume_run(
            kind,
            options.run,
            changes,
            options.until,
            reset_optimizer=options.reset_optimizer,
            log_to=options.log_to,
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
