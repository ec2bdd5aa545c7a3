"""Resume rehearsed: a short run is killed, resumed, and compared with one that nobody disturbed.

Two or three real processes train the same few steps in a temporary folder. What they leave must
have the same bits. If it has not, the state before the first step after the resume says what was
lost, and a third, undisturbed run tells whether the run repeats at all.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from json import loads
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from wellposed.engine.recipe import Recipe, changed, dump
from wellposed.engine.rehearsal.killed import Request
from wellposed.engine.rehearsal.witness import flatten, named_state
from wellposed.engine.storage import checkpoint
from wellposed.engine.storage.history import read_history
from wellposed.engine.storage.runfolder import RunFolder
from wellposed.engine.system import System
from wellposed.errors import RunError
from wellposed.guard.audit.verdict import Answer, Part, bad
from wellposed.guard.findings import Severity

STEPS = 6
SAVED = 2
"""The run is resumed from the checkpoint after so many steps."""
DIES_IN = 3
"""Number of the step it is killed in, from 0: one step is lost, and a batch is ahead."""
CLOCK = ("time_s", "items_per_s")
"""Values of a row that depend on the clock."""
LIMIT_S = 600.0
"""Time for one process; a few steps that take longer are hung."""


@dataclass(frozen=True)
class Rehearsed:
    """What the runs left."""

    states: int
    """States compared at the end: tensors and numbers of the checkpoint, values of the rows."""
    first: str
    """Step and value where the history first differs; "" if nowhere."""
    differing: tuple[str, ...]
    """States of the last checkpoint that differ."""
    suspects: tuple[str, ...]
    """States that differed before the first step after the resume, most telling first."""
    repeats: bool
    """Whether two undisturbed runs leave the same bits; asked only if something differs."""

    @property
    def same(self) -> bool:
        """Whether the resumed run has the bits of the other."""
        return not self.first and not self.differing


def rehearse(kind: type[System[Any]], recipe: Recipe) -> Rehearsed:
    """Kill and resume a short run of `recipe`.

    Batches are as small as `accumulate` allows, and the first phase of a curriculum is all there
    is. Raises RunError with the process's own words if one fails, or if the system's class cannot
    be imported by another process.
    """
    module = kind.__module__
    if module == "__main__" or "<locals>" in kind.__qualname__:
        raise RunError(f"{kind.__qualname__}: another process cannot import it from {module}")
    with TemporaryDirectory(prefix="wellposed-resume-") as name:
        place = Path(name)
        (place / "recipe.yaml").write_text(dump(short(recipe)))
        stage = _Stage(place, f"{module}:{kind.__qualname__}")
        whole, cut = stage.run("whole"), stage.run("cut", die_in=DIES_IN)
        stage.run("cut", go_on=True)
        expected, found = _left(whole, stage), _left(cut, stage)
        differing = _differing(expected.states, found.states)
        rows = _differing(expected.rows, found.rows)
        states = len(expected.states) + len(expected.rows)
        if not differing and not rows:
            return Rehearsed(states, "", (), (), True)
        again = _left(stage.run("again"), stage)
        repeats = again.states == expected.states and again.rows == expected.rows
        # What two undisturbed runs do not agree in is a matter of time, and convicts nobody.
        stable = [
            name for name in expected.told if expected.told[name] == again.told.get(name)
        ]  # fmt: skip
        suspects = [name for name in stable if expected.told[name] != found.told.get(name)]
        return Rehearsed(states, rows[0] if rows else "", differing, tuple(suspects), repeats)


def short(recipe: Recipe) -> Recipe:
    """The recipe of the rehearsal: every kind of work is done before the kill and after it."""
    return changed(
        recipe.model_copy(update={"curriculum": ()}),
        {
            "training.steps": STEPS,
            "training.batch_size": max(2, recipe.training.accumulate),
            "training.log_every": 1,
            "training.checkpoint_every": SAVED,
            "validation.every": SAVED,
            "validation.scenes": 2,
            "validation.patience": 0,
        },
        "rehearsal",
    )


def resume_part(kind: type[System[Any]], recipe: Recipe) -> Part:
    """The question as a part of an audit. Raises RunError as `rehearse`."""
    done = rehearse(kind, recipe)
    numbers = {
        "resume_states_compared": done.states,
        "resume_states_differing": len(done.differing),
        "resume_suspects": list(done.suspects),
    }
    if done.same:
        text = f"killed in step {DIES_IN} of {STEPS} and resumed: all {done.states} states and "
        return Part([Answer("stability", text + "logged values have the same bits")], numbers)
    return Part([_bad(done)], numbers)


def _bad(done: Rehearsed) -> Answer:
    if not done.repeats:
        title = f"the same run twice, undisturbed, is not the same: {_where(done)}"
        suspects = [("a generator that no seed reaches", "seed all of them, and rehearse again")]
    elif done.suspects:
        title = f"a resumed run is another run: {done.suspects[0]} is not what it was"
        suspects = [
            (name, "put it into the weights, a buffer or a function of the step; rehearse again")
            for name in done.suspects[:4]
        ]
    else:
        title = f"a resumed run is another run: {_where(done)}"
        suspects = [("a state outside of Python's objects", "files, clocks, environment")]
    return bad(
        "stability",
        "WP320",
        Severity.FAIL,
        title,
        {
            "subject": "resume",
            "first_difference": _where(done),
            "states_differing": len(done.differing),
            "states_compared": done.states,
            "repeats_undisturbed": str(done.repeats),
            "not_what_it_was": "; ".join(done.suspects[:8]),
        },
        suspects=suspects,
        advice="whatever the next step depends on: keep it in the checkpoint, or compute it from "
        "the number of the step",
    )


def _where(done: Rehearsed) -> str:
    return done.first or done.differing[0]


@dataclass(frozen=True)
class _Left:
    states: Mapping[str, str]
    rows: Mapping[str, str]
    told: Mapping[str, str]


@dataclass(frozen=True)
class _Stage:
    """The folder of the rehearsal, and who plays."""

    place: Path
    system: str

    def run(self, name: str, die_in: int | None = None, *, go_on: bool = False) -> Path:
        """Train in the folder `name`; RunError unless the process ends as it should."""
        request = Request(
            system=self.system,
            recipe=str(self.place / "recipe.yaml"),
            folder=str(self.place / name),
            testimony=str(self.testimony(name)),
            testify_before=SAVED,
            die_in=die_in,
            go_on=go_on,
        )
        file = self.place / f"{name}.request.json"
        request.write(file)
        alone = {"RANK", "LOCAL_RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"}
        environment = {k: v for k, v in os.environ.items() if k not in alone}
        environment["PYTHONPATH"] = os.pathsep.join(path or os.getcwd() for path in sys.path)
        done = subprocess.run(
            [sys.executable, "-m", "wellposed.engine.rehearsal.killed", str(file)],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=LIMIT_S,
        )
        wanted = 0 if die_in is None else -signal.SIGKILL
        if done.returncode != wanted:
            words = "\n".join((done.stdout + done.stderr).splitlines()[-12:])
            raise RunError(
                f"the rehearsal of a resume ended with status {done.returncode}, wanted {wanted} "
                f"({name}, {'resumed' if go_on else 'begun'}):\n{words}"
            )
        return self.place / name

    def testimony(self, name: str) -> Path:
        return self.place / f"{name}.state.json"


def _left(path: Path, stage: _Stage) -> _Left:
    folder = RunFolder.open(path)
    _, state, _ = checkpoint.latest(folder.checkpoints)
    testimony = loads(stage.testimony(path.name).read_text())
    states = dict(named_state(state, testimony["parameters"]))
    if folder.best_model.exists():
        states["best/model.safetensors"] = folder.best_model.read_bytes().hex()[:200]
    # Alarms and logs bear the name of their folder.
    clean = {name: text.replace(str(path), "RUN") for name, text in states.items()}
    return _Left(clean, dict(_values(folder)), testimony["state"])


def _values(folder: RunFolder) -> list[tuple[str, str]]:
    """What the rows of the history say, but for times and interruptions."""
    found = []
    for row in read_history(folder.history):
        if row["kind"] != "event":
            for name, text in flatten(row, ""):
                if name.split()[-1] not in CLOCK:
                    found.append((f"step {row['step']}, {row['kind']}: {name}", text))
    return found


def _differing(expected: Mapping[str, str], found: Mapping[str, str]) -> tuple[str, ...]:
    names = [*expected, *(name for name in found if name not in expected)]
    return tuple(name for name in names if expected.get(name) != found.get(name))
