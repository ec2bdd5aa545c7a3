"""One replay as something that another process or machine can do: a job goes in, an outcome out.

Both are plain values and go through JSON, so a queue of any kind can carry them.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from importlib import import_module
from typing import Any

from wellposed.engine.explain.symptom import Symptom
from wellposed.engine.system import System
from wellposed.errors import RunError


@dataclass(frozen=True)
class Case:
    """What is to be explained: a run up to where its replays begin, and what it showed."""

    system: str
    """`module:Class`, importable by another process."""
    recipe: str
    """The run's recipe as YAML."""
    symptom: Symptom
    start: int = 0
    """Step at which replays begin."""
    checkpoint: str = ""
    """File of the state before that step; "" for the start."""
    history: str = ""
    """The run's history.jsonl, that the control is compared with; "" if there is none."""

    def kind(self) -> type[System[Any]]:
        """Import the system. Raises RunError: another process could not."""
        return imported(self.system)

    def to_json(self) -> dict[str, Any]:
        """JSON values."""
        return asdict(self)

    @classmethod
    def from_json(cls, tree: Mapping[str, Any]) -> "Case":
        """What `to_json` wrote."""
        fields: dict[str, Any] = {**tree, "symptom": Symptom.from_json(tree["symptom"])}
        return cls(**fields)


@dataclass(frozen=True)
class Job:
    """One replay of a case."""

    case: Case
    interventions: tuple[str, ...] = ()
    """Names, those of other randomness first."""
    key: str = ""
    """Tells whoever asked for it which answer this is."""


@dataclass(frozen=True)
class Outcome:
    """What a replay showed."""

    key: str
    shown: bool = False
    """Whether the symptom came."""
    step: int = -1
    """Step it had come to then, or its last."""
    last: int = -1
    """Step at which it would have ended without the symptom."""
    unfinished: bool = False
    """Whether the budget ended it before the symptom or the last step: it shows nothing."""
    figure: float | None = None
    """The symptom's figure, if it has one and it is a number."""
    findings: tuple[tuple[str, str], ...] = ()
    """Code and severity of all findings of the replay, in their order."""
    seconds: float = 0.0
    processor_s: float = 0.0
    """Time on the processor, which other work on the machine does not lengthen."""
    ended: str = ""
    """Why the replay ended early, if not because the symptom was there."""
    refused: str = ""
    """Why the intervention could not be tried; nothing else is told then."""
    differs: str = ""
    """Where its logged values first differ from those of the run; "" nowhere, or not compared."""
    compared: int = 0
    """Rows of the run's history that were compared."""

    @property
    def begun(self) -> bool:
        """Whether anything was done: the budget may have been over before."""
        return not self.unfinished or self.seconds > 0

    def to_json(self) -> dict[str, Any]:
        """JSON values."""
        return asdict(self)

    @classmethod
    def from_json(cls, tree: Mapping[str, Any]) -> "Outcome":
        """What `to_json` wrote."""
        findings = tuple((str(code), str(severity)) for code, severity in tree["findings"])
        fields: dict[str, Any] = {**tree, "findings": findings}
        return cls(**fields)


def imported(name: str) -> type[System[Any]]:
    """Import `module:Class`. Raises RunError: it cannot be."""
    module, _, attribute = name.partition(":")
    try:
        return getattr(import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise RunError(f"{name}: a worker process cannot import it: {error}") from error


def importable(kind: type[System[Any]]) -> str:
    """`module:Class` of a system. Raises RunError: it is in no module of its own."""
    name = f"{kind.__module__}:{kind.__qualname__}"
    if kind.__module__ == "__main__" or "<locals>" in kind.__qualname__:
        raise RunError(f"{name}: another process cannot import it")
    return name
