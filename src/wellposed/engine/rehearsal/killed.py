"""A process of its own that takes a few steps of a run, and may be killed in the middle of one.

    python -m wellposed.engine.rehearsal.killed REQUEST.json

It is started by `resumption`. Before a given step it writes down the whole state of the run; in a
given step, with gradients made and weights not yet moved, it ends itself by SIGKILL: nothing is
flushed, no handler runs.
"""

import json
import os
import signal
import sys
from dataclasses import asdict, dataclass
from importlib import import_module
from pathlib import Path

from wellposed.engine.launch import resume, start
from wellposed.engine.recipe import load
from wellposed.engine.rehearsal.witness import parameter_names, witness
from wellposed.engine.run import Run


@dataclass(frozen=True)
class Request:
    """What the process shall do."""

    system: str
    """Class of the system, module:Name."""
    recipe: str
    folder: str
    testimony: str
    """File to write the state to."""
    testify_before: int
    """The step before which that is done."""
    die_in: int | None = None
    """The step to be killed in."""
    go_on: bool = False
    """Resume the run in the folder."""

    def write(self, path: Path) -> None:
        """Write it for the process to read."""
        path.write_text(json.dumps(asdict(self)))


def main(request: Request) -> None:
    """Run, testify, die."""
    module, _, name = request.system.partition(":")
    kind = import_module(module)
    for part in name.split("."):
        kind = getattr(kind, part)

    def watch(run: Run) -> None:
        def before(step: int) -> None:
            if step == request.testify_before:
                told = {"state": witness(run), "parameters": parameter_names(run)}
                Path(request.testimony).write_text(json.dumps(told))

        def die(*_: object) -> None:
            if run.moving.step == request.die_in:
                os.kill(os.getpid(), signal.SIGKILL)

        run.before_step = before
        first = next(iter(run.moving.optimizers.values()))
        first.register_step_pre_hook(die)

    folder = Path(request.folder)
    if request.go_on:
        resume(kind, folder, {}, watch=watch)  # type: ignore[arg-type]
    else:
        recipe = load(kind.recipe_type, Path(request.recipe))  # type: ignore[attr-defined]
        start(kind, recipe, folder, None, watch=watch)  # type: ignore[arg-type]


if __name__ == "__main__":
    main(Request(**json.loads(Path(sys.argv[1]).read_text())))
