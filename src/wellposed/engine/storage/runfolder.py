"""The folder of a run: where each file is, who may write, and no run over another.

    recipe.yaml environment.json audit.json log.txt history.jsonl findings.jsonl
    checkpoints/ phases/ best/ alarms/ examples/ report.html

What each is for is told in docs/run-folder.md.
"""

import fcntl
import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from wellposed.engine.storage.atomic import TEMPORARY, explain
from wellposed.errors import RunError

RUNS = Path("runs")
"""Where runs go that were given no folder."""


@dataclass(frozen=True)
class RunFolder:
    """Paths below the folder of one run; make it with `create` or `open`."""

    path: Path

    @classmethod
    def create(cls, path: Path | None, system: str) -> "RunFolder":
        """Make the folder of a new run; without a path it is runs/<system>-<date>-<time>.

        Raises RunError: it holds a run or other files, or cannot be made.
        """
        folder = cls(path if path is not None else _unused(system))
        try:
            folder.path.mkdir(parents=True, exist_ok=path is not None)
            folder.require_free()
            # Only writing tells whether writing is allowed; the lock will be needed anyway.
            folder._lock(0).touch()
        except (FileExistsError, NotADirectoryError) as error:
            raise RunError(
                f"{folder.path}: a run needs a folder, found a file on the way there. "
                "Name another folder."
            ) from error
        except OSError as error:
            reason = explain(error, folder.path.parent)
            raise RunError(f"{folder.path}: no run can be made here: {reason}") from error
        return folder

    @classmethod
    def open(cls, path: Path) -> "RunFolder":
        """Return the folder of a run that was started before.

        Raises RunError: no such folder, or no recipe.yaml in it.
        """
        folder = cls(path)
        if not folder.recipe.is_file():
            raise RunError(f"{path}: is not a run ({_instead(path)}). Check the path.")
        return folder

    @property
    def recipe(self) -> Path:
        """The resolved recipe."""
        return self.path / "recipe.yaml"

    @property
    def environment(self) -> Path:
        """Versions and devices that the bits depend on."""
        return self.path / "environment.json"

    @property
    def log(self) -> Path:
        """Plain text for people."""
        return self.path / "log.txt"

    @property
    def history(self) -> Path:
        """Every number, a row a line: the source of truth."""
        return self.path / "history.jsonl"

    @property
    def findings(self) -> Path:
        """What the guard found, one a line."""
        return self.path / "findings.jsonl"

    @property
    def checkpoints(self) -> Path:
        """Complete states, one file per generation."""
        return self.path / "checkpoints"

    @property
    def phases(self) -> Path:
        """Complete states at the beginnings of phases of the curriculum; all are kept."""
        return self.path / "phases"

    @property
    def best(self) -> Path:
        """Folder of the weights that the named validation metric chose."""
        return self.path / "best"

    @property
    def best_model(self) -> Path:
        """Those weights, with their card."""
        return self.best / "model.safetensors"

    @property
    def alarms(self) -> Path:
        """What the guard kept of steps that went wrong."""
        return self.path / "alarms"

    @property
    def examples(self) -> Path:
        """Scenes of the validation with their estimates, to listen to."""
        return self.path / "examples"

    @property
    def audit(self) -> Path:
        """What was asked before the run began, and the answers."""
        return self.path / "audit.json"

    @property
    def report(self) -> Path:
        """The page that shows all this."""
        return self.path / "report.html"

    @contextmanager
    def locked(self, rank: int = 0) -> Iterator[None]:
        """Keep other processes of this rank from training here, while the body runs.

        The system drops the lock when its holder ends, however it ends, so that a lock file
        left behind hinders nobody. Raises RunError: held by another process, or not writable.
        """
        lock = self._lock(rank)
        try:
            file = lock.open("a+", encoding="utf-8")
        except OSError as error:
            raise RunError(f"{lock}: not written: {explain(error, self.path)}") from error
        with file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                file.seek(0)
                raise RunError(_taken(self.path, file.read())) from error
            except OSError as error:
                raise RunError(
                    f"{lock}: this file system has no locks ({error.strerror}), so two "
                    "processes could write to one run. Put the run on another one."
                ) from error
            file.truncate(0)
            file.write(json.dumps({"pid": os.getpid(), "host": socket.gethostname()}))
            file.flush()
            try:
                yield
            finally:
                file.truncate(0)

    def _lock(self, rank: int) -> Path:
        return self.path / f".lock-{rank}"

    def require_free(self) -> None:
        """Raise RunError if the folder, which exists, holds a run or anything else."""
        if self.recipe.exists():
            raise RunError(
                f"{self.path}: already holds a run. Go on with it by "
                f"`wellposed resume {self.path}`, or name another folder."
            )
        for found in sorted(self.path.iterdir()):
            # A start that died before it wrote the recipe may leave these.
            if not found.name.startswith(".lock-") and not found.name.endswith(TEMPORARY):
                raise RunError(
                    f"{self.path}: is not empty ({found.name}) and holds no run. "
                    "Name a new or empty folder."
                )


def _instead(path: Path) -> str:
    if path.is_dir():
        return "no recipe.yaml in it"
    return "it is a file" if path.exists() else "there is no such folder"


def _unused(system: str) -> Path:
    """Name a folder after the time; a second run in one second gets a number."""
    name = f"{system}-{datetime.now():%Y%m%d-%H%M%S}"
    path, number = RUNS / name, 1
    while path.exists():
        number += 1
        path = RUNS / f"{name}-{number}"
    return path


def _taken(path: Path, holder: str) -> str:
    who = "another process"
    with suppress(ValueError, KeyError, TypeError):
        about = json.loads(holder)
        who = f"process {about['pid']} on {about['host']}"
    return (
        f"{path}: {who} trains in this folder. Wait until it ends, or stop it; "
        f"then go on with `wellposed resume {path}`."
    )
