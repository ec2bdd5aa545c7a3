"""What was tried: a folder with its journal, or a database for machines that share no folder.

    tune.yaml       what is searched; the same for everybody who joins
    journal.log     all trials (Optuna's journal); not with a database
    trials/00003/   the run of trial 3, as docs/run-folder.md tells
    workers/        one lock and one log per worker process
    trials.csv best.yaml

Locks are the system's own: it drops them when a process ends, however it ends.
"""

import fcntl
import hashlib
import json
import os
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import optuna
import yaml
from optuna.storages import BaseStorage, JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock

from wellposed.engine.recipe import Recipe, parse, read_yaml
from wellposed.engine.storage.atomic import explain, replacing
from wellposed.engine.storage.history import read_history
from wellposed.engine.system import System
from wellposed.engine.tuning.space import Axis, axes_of
from wellposed.engine.validation import direction, scenes_hash
from wellposed.errors import RecipeError, RunError

FORMAT = "wellposed-tune/1"


@dataclass(frozen=True)
class Sought:
    """What is searched: a recipe, the axes that vary it, and the measurement that judges."""

    kind: type[System[Any]]
    recipe: Recipe
    axes: tuple[Axis, ...]
    better: str
    """ "higher" or "lower"."""
    scenes: str
    """Hash of the validation scenes that all trials share."""

    @classmethod
    def of(cls, system: System[Any], axes: tuple[Axis, ...]) -> "Sought":
        """Take it from a prepared system. Raises RecipeError: its selection is no metric."""
        return cls(type(system), system.recipe, axes, direction(system), scenes_hash(system))

    @property
    def objective(self) -> str:
        """The metric that judges."""
        return self.recipe.validation.select

    def facts(self) -> dict[str, Any]:
        """All of it as plain values, in which two searches can be compared."""
        return {
            "format": FORMAT,
            "system": self.kind.name,
            "objective": self.objective,
            "better": self.better,
            "scenes": self.scenes,
            "space": {axis.key: axis.text for axis in self.axes},
            "recipe": self.recipe.model_dump(mode="json"),
        }

    @property
    def digest(self) -> str:
        """Name of all of it."""
        text = json.dumps(self.facts(), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:12]


@dataclass(frozen=True)
class TuneFolder:
    """Paths of one search; `prepare` makes it."""

    path: Path

    @property
    def facts(self) -> Path:
        """What is searched."""
        return self.path / "tune.yaml"

    @property
    def trials(self) -> Path:
        """Folders of runs."""
        return self.path / "trials"

    @property
    def workers(self) -> Path:
        """Locks and logs of worker processes."""
        return self.path / "workers"

    @property
    def holds_one(self) -> bool:
        """Whether a search was begun here."""
        return self.facts.is_file()

    def prepare(self, sought: Sought) -> None:
        """Make it, or see that it holds the same search.

        Raises RecipeError: another search, with the first difference; RunError: not writable, or
        other files.
        """
        if self.holds_one:
            self._require_same(sought)
            return
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            if found := sorted(self.path.iterdir()):
                raise RunError(
                    f"{self.path}: is not empty ({found[0].name}) and holds no search. Name a "
                    "new or empty folder."
                )
            self.trials.mkdir()
            self.workers.mkdir()
            with replacing(self.facts) as file:
                text = yaml.safe_dump(sought.facts(), sort_keys=False, width=100)
                file.write(text.encode())
        except OSError as error:
            reason = explain(error, self.path.parent)
            raise RunError(f"{self.path}: no search can be made here: {reason}") from error

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Let one process at a time decide who works at what."""
        with (self.path / ".lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    @contextmanager
    def joined(self) -> Iterator[str]:
        """Give a worker a name that no other has had, locked as long as the worker lives."""
        host = socket.gethostname()
        with self.locked():
            name = f"{host}-{len(list(self.workers.glob('*.lock'))):04d}"
            file = (self.workers / f"{name}.lock").open("x")
            fcntl.flock(file, fcntl.LOCK_EX)
        with file:
            yield name

    def lives(self, worker: str) -> bool | None:
        """Whether a worker of this folder lives; None for one that never joined this folder."""
        path = self.workers / f"{worker}.lock"
        if not path.exists():
            return None
        with path.open("r+") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
        return False

    def _require_same(self, sought: Sought) -> None:
        known, now = read_yaml(self.facts), sought.facts()
        for key in now:
            if known.get(key) != now[key]:
                difference = _first_difference(key, known.get(key), now[key])
                raise RecipeError(
                    f"{self.path}: holds a search of something else: {difference}. Go on with it "
                    f"by `wellposed tune {self.path}`, or name another folder."
                )


def read_sought(kind: type[System[Any]], path: Path) -> tuple[Recipe, tuple[Axis, ...]]:
    """Read what a folder searches. Raises RecipeError: it holds no search."""
    facts = TuneFolder(path).facts
    tree = read_yaml(facts)
    if tree.get("format") != FORMAT:
        raise RecipeError(f"{facts}: found format {tree.get('format')!r}, wanted {FORMAT!r}.")
    recipe = parse(kind.recipe_type, tree["recipe"], str(facts))
    return recipe, axes_of(tree["space"], recipe)


def open_study(
    folder: TuneFolder,
    sought: Sought,
    url: str | None,
    sampler: optuna.samplers.BaseSampler | None = None,
    pruner: optuna.pruners.BasePruner | None = None,
) -> optuna.Study:
    """Open the search's study, or make it; machines that want the same meet in one.

    Raises RunError: the database cannot be opened.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna.create_study(
        storage=storage_of(folder, url),
        study_name=f"{sought.kind.name}-{sought.digest}",
        direction="maximize" if sought.better == "higher" else "minimize",
        load_if_exists=True,
        sampler=sampler,
        pruner=pruner or optuna.pruners.NopPruner(),
    )


class SystemLock(JournalFileOpenLock):
    """A lock that ends with its holder, and cuts off a line that a killed writer left torn."""

    def __init__(self, journal: Path) -> None:
        """Lock beside `journal`."""
        super().__init__(str(journal))
        self._journal = journal
        self._file: Any = None

    def acquire(self) -> bool:
        """Wait for it."""
        file = self._journal.with_suffix(".lock").open("w")
        fcntl.flock(file, fcntl.LOCK_EX)
        self._file = file
        _cut_torn_line(self._journal)
        return True

    def release(self) -> None:
        """Let others have it."""
        self._file.close()


def _cut_torn_line(path: Path) -> None:
    with path.open("rb+") as file:
        size = file.seek(0, os.SEEK_END)
        if size == 0:
            return
        file.seek(size - 1)
        if file.read(1) == b"\n":
            return
        file.seek(0)
        file.truncate(file.read().rfind(b"\n") + 1)


def storage_of(folder: TuneFolder, url: str | None) -> BaseStorage:
    """Open the journal of a folder, or a database. Raises RunError: it cannot be, or is damaged."""
    if url is None:
        path = folder.path / "journal.log"
        if path.exists():
            # Before a writer cuts off what it takes for torn: damage is told and stays as it is.
            read_history(path)
        return JournalStorage(JournalFileBackend(str(path), SystemLock(path)))
    # Optuna imports it only for databases, and so do we.
    from sqlalchemy.exc import SQLAlchemyError

    try:
        return RDBStorage(url)
    except (SQLAlchemyError, ImportError, ValueError, RuntimeError) as error:
        shown = url.rpartition("@")[2]
        raise RunError(
            f"--storage: the database at {shown} cannot be opened: {error}. Check the URL "
            "(postgresql://user:password@host/name) and that its driver is installed."
        ) from error


def _first_difference(key: str, known: Any, now: Any) -> str:
    if isinstance(known, Mapping) and isinstance(now, Mapping):
        for each in [*now, *known]:
            if known.get(each) != now.get(each):
                return _first_difference(f"{key}.{each}", known.get(each), now.get(each))
    return f"{key} is {now!r}, was {known!r}"
