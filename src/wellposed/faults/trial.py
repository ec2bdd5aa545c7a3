"""One run with a fault in it, or with none: what the guard found, when, and how it is named."""

import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import torch

from wellposed.engine.distributed import World
from wellposed.engine.journal import Journal
from wellposed.engine.problem import problem_of
from wellposed.engine.run import Run
from wellposed.engine.state import Moving
from wellposed.engine.stopping import StopRequest
from wellposed.engine.storage.runfolder import RunFolder
from wellposed.engine.system import System
from wellposed.errors import RunError
from wellposed.faults.fault import Fault
from wellposed.faults.hosts import QUESTIONS, host
from wellposed.guard import Finding, Severity, audit_problem

Verdict = Literal["right", "wrong", "none"]


@dataclass(frozen=True)
class Found:
    """A finding and when it was there to be read."""

    code: str
    severity: str
    title: str
    told: int
    """Step after which it was written down."""
    validation: bool
    """Whether a validation brought it to light."""


@dataclass(frozen=True)
class Trial:
    """The outcome of one run."""

    fault: str
    host: str
    seed: int
    rate: float
    """Learning rate relative to the recipe's own."""
    codes: tuple[str, ...]
    since: int
    shows: str
    validate_every: int
    found: tuple[Found, ...]
    ended: str = ""
    """Why the run ended early; empty if it did not."""

    @property
    def right(self) -> Found | None:
        """The first finding with a right name."""
        return next((each for each in self.found if each.code in self.codes), None)

    @property
    def severity(self) -> str:
        """The worst severity under a right name; empty if there is none."""
        ranks = {each.severity for each in self.found if each.code in self.codes}
        return next((each for each in reversed(Severity) if each in ranks), "")

    @property
    def alarms(self) -> tuple[Found, ...]:
        """Findings above INFO."""
        return tuple(each for each in self.found if each.severity != Severity.INFO)

    @property
    def verdict(self) -> Verdict:
        """Whether it was found by its name, only by others, or not at all."""
        if self.right is not None:
            return "right"
        return "wrong" if self.alarms else "none"

    @property
    def delay(self) -> int | None:
        """Steps, or validations, from when it could show to the right finding."""
        if self.right is None:
            return None
        told = self.right.told
        return (told // self.validate_every if self.shows == "validation" else told) - self.since

    def to_json(self) -> dict[str, Any]:
        """JSON values, with what follows from them."""
        return {**asdict(self), "verdict": self.verdict, "delay": self.delay}


class _Listening(Journal):
    """Writes nothing; remembers when findings came."""

    def __init__(self, folder: RunFolder, run_recipe: Any) -> None:
        super().__init__(folder, run_recipe, leads=False)
        self.found: list[Found] = []
        self._step = -1

    def findings(self, moving: Moving) -> None:
        """Take note of the new ones."""
        known = len(self.found)
        # A step's findings are asked for once right after it; what comes later in the same
        # count of steps was seen by its validation.
        validation = moving.step == self._step
        self._step = moving.step
        for each in moving.guard.findings[known:]:
            self.found.append(_found(each, moving.step, validation))


def _found(finding: Finding, count: int, validation: bool) -> Found:
    told = count if validation else count - 1
    return Found(finding.code, finding.severity.value, finding.title, told, validation)


def attempt(
    fault: Fault, *, seed: int = 0, rate: float = 1.0, until: int | None = None, **changes: Any
) -> Trial:
    """Train the fault's host with the fault in it, to the end or until the engine gives up.

    `until` stops a run before its planned end; `changes` are dotted keys of the recipe with
    `__` for the dot.
    """
    dotted = {key.replace("__", "."): value for key, value in changes.items()}
    system = host(fault.host, fault, {"seed": seed, **dotted})
    recipe = _at_rate(system.recipe, rate)
    system = system.with_recipe(recipe)
    ended, asked = "", _asked(fault, system)
    if fault.shows == "audit":
        return _outcome(fault, seed, rate, recipe, asked, ended)
    with tempfile.TemporaryDirectory(prefix="wellposed-fault-") as path:
        folder = RunFolder(Path(path))
        journal = _Listening(folder, recipe)
        run = Run(system, folder, World(0, 1, torch.device("cpu")), journal, alarms=False)
        fault.run = run
        fault.ready()
        try:
            run.train(StopRequest(), until)
        except RunError as error:
            ended = str(error).partition("\n")[0].replace(path, "RUN")
        journal.findings(run.moving)
    return _outcome(fault, seed, rate, recipe, (*asked, *journal.found), ended)


def _asked(fault: Fault, system: System[Any]) -> tuple[Found, ...]:
    """What the audit says of the fault's questions, before the run."""
    if not fault.asked:
        return ()
    audit = audit_problem(problem_of(system), only=fault.asked)
    return tuple(Found(f.code, f.severity.value, f.title, 0, False) for f in audit.findings)


def _outcome(
    fault: Fault, seed: int, rate: float, recipe: Any, found: tuple[Found, ...], ended: str
) -> Trial:
    return Trial(
        fault.name() if type(fault) is not Fault else "none",
        fault.host,
        seed,
        rate,
        fault.codes,
        fault.since,
        fault.shows,
        recipe.validation.every,
        found,
        ended,
    )


def _at_rate(recipe: Any, factor: float) -> Any:
    rate = recipe.optimizer.learning_rate * factor
    return recipe.model_copy(
        update={"optimizer": recipe.optimizer.model_copy(update={"learning_rate": rate})}
    )


def healthy(name: str) -> Fault:
    """Return no fault, for the host of that name."""
    fault = Fault()
    vars(fault)["host"] = name
    vars(fault)["asked"] = QUESTIONS.get(name, ())
    return fault
