"""`wellposed train` and `wellposed resume`."""

import sys
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import torch
import tyro

from wellposed.cli.options import read_options
from wellposed.cli.recipes import Wanted, read_arguments
from wellposed.engine.distributed import leads
from wellposed.engine.launch import resume as resume_run
from wellposed.engine.launch import start, system_name
from wellposed.engine.storage.runfolder import RunFolder
from wellposed.engine.system import System
from wellposed.systems import system_type

FLAGS = """Flags of the recipe. Beside them: --run DIR, --size NAME (`wellposed show SYSTEM`),
--data DIR, --steps N, --until N to stop early, --no-audit, --audit-anyway and --log-to; see
`wellposed train --help`."""


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
    """Whether to ask first if the problem is well posed: about a minute, more where in doubt."""
    audit_anyway: bool = False
    """Go on where the audit has a FAIL."""
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
    """Stop after this step."""
    reset_optimizer: bool = False
    """Start with fresh moments, as after a change of objective."""
    set: Annotated[dict[str, str], tyro.conf.arg(metavar="KEY VALUE")] = field(default_factory=dict)
    """Other keys that may change, such as training.device cuda."""
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
