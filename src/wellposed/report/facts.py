"""What a run folder says, read once into plain values.

`read_facts` is the only place of the report that knows file names and row formats. It makes
nothing up: what is not in the folder is listed in `RunFacts.missing`, and a number that was
not finite stays not finite.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray

from wellposed.engine.storage.history import read_history
from wellposed.engine.storage.runfolder import RunFolder
from wellposed.engine.storage.torn import is_torn
from wellposed.errors import RunError
from wellposed.guard.findings import Finding

EXPLANATION = 1
"""Format of explain/*.json that is understood here."""
ENDS = ("finished", "stopped")
Numbers = NDArray[np.float64]
Row = Mapping[str, Any]


@dataclass(frozen=True)
class Series:
    """One logged quantity: `values[i]` was logged at `steps[i]`; steps rise strictly."""

    steps: Numbers
    values: Numbers


@dataclass(frozen=True)
class Score:
    """One metric at one validation; `low` and `high` are NaN where no interval was written."""

    step: int
    mean: float
    low: float
    high: float
    n: int
    failed: int


@dataclass(frozen=True)
class Event:
    """Something that happened to the run as a whole."""

    step: int
    time_s: float
    name: str
    message: str


@dataclass(frozen=True)
class RunFacts:
    """Everything the page is made of."""

    folder: Path
    recipe_text: str
    recipe: Mapping[str, Any]
    train: Mapping[str, Series]
    validation: Mapping[str, tuple[Score, ...]]
    best_step: int | None
    last_step: int | None
    time_s: float
    events: tuple[Event, ...]
    findings: tuple[Finding, ...]
    examples: tuple[Path, ...]
    environment: Mapping[str, Any]
    audit: Mapping[str, Any]
    """What was asked before the run, as `Audit.to_json` wrote it; empty where nothing was."""
    scenes: str
    """Name of the list of scenes that the last validation was on; "" where none was told."""
    explanations: tuple[Mapping[str, Any], ...]
    """What replays showed, as `wellposed explain` wrote it; empty where nothing was replayed."""
    missing: tuple[str, ...]

    @property
    def select(self) -> str | None:
        """The metric that chooses the best checkpoint, where the recipe names one."""
        name = self._entry("validation", "select")
        return name if isinstance(name, str) else None

    @property
    def planned_steps(self) -> int | None:
        """How many steps the recipe asks for."""
        steps = self._entry("training", "steps")
        return steps if isinstance(steps, int) else None

    @property
    def end(self) -> str:
        """ "finished" or "stopped" where the history says so of its last step, else ""."""
        turns = [event for event in self.events if event.name in ("resumed", *ENDS)]
        if turns and turns[-1].name in ENDS and turns[-1].step == self.last_step:
            return turns[-1].name
        return ""

    @property
    def drawn(self) -> bool:
        """Whether there are values to draw."""
        return bool(self.train or self.validation)

    def _entry(self, section: str, key: str) -> object:
        part = self.recipe.get(section)
        return part.get(key) if isinstance(part, Mapping) else None


def read_facts(run: Path) -> RunFacts:
    """Read the run folder `run`.

    Raises:
        RunError: the folder has no recipe.yaml or no history.jsonl, so it is not a run.
    """
    if not RunFolder.open(run).history.is_file():
        raise RunError(f"{run}: is not a run that has begun (no history.jsonl in it).")
    missing: list[str] = []
    rows: list[Row] = [row for row in read_history(run / "history.jsonl") if "step" in row]
    recipe_text = (run / "recipe.yaml").read_text(encoding="utf-8")
    steps = [int(row["step"]) for row in rows]
    checked = _kept(rows, "validation")
    folders = sorted(path for path in (run / "examples").glob("*") if path.is_dir())
    if not folders:
        missing.append("examples/ (sounds before and after)")
    return RunFacts(
        folder=run,
        recipe_text=recipe_text,
        recipe=_recipe(recipe_text, missing),
        train=_train(_kept(rows, "train")),
        validation=_validation(checked),
        best_step=max((int(row["step"]) for row in checked if row.get("best")), default=None),
        last_step=max(steps, default=None),
        time_s=max((number(row.get("time_s", 0.0)) for row in rows), default=0.0),
        events=tuple(_event(row) for row in rows if row.get("kind") == "event"),
        findings=_findings(run / "findings.jsonl", missing),
        examples=tuple(folders),
        environment=_environment(run / "environment.json", missing),
        audit=_audit(run / "audit.json", missing),
        scenes=next((str(row["scenes"]) for row in reversed(checked) if row.get("scenes")), ""),
        explanations=_explanations(run / "explain", missing),
        missing=tuple(missing),
    )


def number(value: object) -> float:
    """A logged number; None and text that is no number become NaN."""
    if isinstance(value, int | float | str):
        try:
            return float(value)
        except ValueError:
            return float("nan")
    return float("nan")


def _kept(rows: list[Row], kind: str) -> list[Row]:
    """Rows of one kind in the order of their steps.

    A run that was resumed from an older checkpoint repeats some steps. What counts is what led
    to the weights of today, so a row makes all rows of the same or a later step before it void.
    """
    kept: list[Row] = []
    for row in rows:
        if row.get("kind") != kind:
            continue
        while kept and kept[-1]["step"] >= row["step"]:
            kept.pop()
        kept.append(row)
    return kept


def _train(rows: list[Row]) -> dict[str, Series]:
    points: dict[str, tuple[list[float], list[float]]] = {}
    for row in rows:
        for name, value in row.get("values", {}).items():
            steps, values = points.setdefault(str(name), ([], []))
            steps.append(float(row["step"]))
            values.append(number(value))
    return {
        name: Series(np.asarray(steps, dtype=np.float64), np.asarray(values, dtype=np.float64))
        for name, (steps, values) in points.items()
    }


def _validation(rows: list[Row]) -> dict[str, tuple[Score, ...]]:
    scores: dict[str, list[Score]] = {}
    for row in rows:
        for name, entry in row.get("metrics", {}).items():
            entry = entry if isinstance(entry, Mapping) else {"mean": entry}
            score = Score(
                step=int(row["step"]),
                mean=number(entry.get("mean")),
                low=number(entry.get("low")),
                high=number(entry.get("high")),
                n=int(entry.get("n", 0)),
                failed=int(entry.get("failed", 0)),
            )
            scores.setdefault(str(name), []).append(score)
    return {name: tuple(entries) for name, entries in scores.items()}


def _event(row: Row) -> Event:
    return Event(
        step=int(row["step"]),
        time_s=number(row.get("time_s", 0.0)),
        name=str(row.get("event", "")),
        message=str(row.get("message", "")),
    )


def _findings(path: Path, missing: list[str]) -> tuple[Finding, ...]:
    """In the order in which they began; the engine makes the file with the first finding."""
    if not path.is_file():
        return ()
    findings: list[Finding] = []
    for number, line in enumerate(path.read_bytes().split(b"\n"), start=1):
        try:
            findings += [Finding.from_json(line.decode())] if line.strip() else []
        except ValueError:  # a run that was killed can leave half a line
            what = "it is torn, as by a kill" if is_torn(line) else f"found {line[:40]!r}"
            missing.append(f"a finding in line {number} of {path.name} ({what})")
    # A run that went on from an older checkpoint meets the same findings again.
    single = {(each.code, each.step): each for each in findings}.values()
    return tuple(sorted(single, key=lambda finding: finding.since_step))


def _recipe(text: str, missing: list[str]) -> Mapping[str, Any]:
    try:
        recipe = yaml.safe_load(text)
    except yaml.YAMLError:
        missing.append("a recipe.yaml that can be read as YAML")
        return {}
    return recipe if isinstance(recipe, dict) else {}


def _environment(path: Path, missing: list[str]) -> Mapping[str, Any]:
    if not path.is_file():
        missing.append("environment.json (versions and machine)")
        return {}
    try:
        environment = json.loads(path.read_text(encoding="utf-8"))
    except json.JSONDecodeError:
        missing.append("an environment.json that can be read")
        return {}
    return environment if isinstance(environment, dict) else {}


def _audit(path: Path, missing: list[str]) -> Mapping[str, Any]:
    """Nothing is missing where there is no file: an audit is not part of every run."""
    if not path.is_file():
        return {}
    try:
        audit = json.loads(path.read_text(encoding="utf-8"))
    except json.JSONDecodeError:
        missing.append("an audit.json that can be read")
        return {}
    return audit if isinstance(audit, dict) else {}


def _explanations(folder: Path, missing: list[str]) -> tuple[Mapping[str, Any], ...]:
    """All of them by name; nothing is missing where there is none."""
    told: list[Mapping[str, Any]] = []
    for path in sorted(folder.glob("*.json")):
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
        except ValueError:
            content = None
        if isinstance(content, dict) and content.get("format") == EXPLANATION:
            told.append(content)
        else:
            missing.append(f"an explain/{path.name} of format {EXPLANATION}")
    return tuple(told)
