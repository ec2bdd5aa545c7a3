"""The case of a run: its gravest finding, or the one asked for, and the last state before it."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from wellposed.engine.explain.bearing import bearing_on
from wellposed.engine.explain.job import Case, importable
from wellposed.engine.explain.symptom import Symptom
from wellposed.engine.explain.verdict import Explanation
from wellposed.engine.recipe import dump, load
from wellposed.engine.storage import checkpoint
from wellposed.engine.storage.atomic import explain, write_text
from wellposed.engine.storage.history import read_history
from wellposed.engine.storage.runfolder import RunFolder
from wellposed.engine.system import System
from wellposed.errors import RunError
from wellposed.guard.findings import Finding, Severity

FOLDER = "explain"
"""Where explanations lie in the folder of a run."""


def name_of(finding: Finding) -> str:
    """What `--finding` takes: code and step."""
    return f"{finding.code}@{finding.step}"


def read_findings(folder: RunFolder) -> list[Finding]:
    """All findings of a run, in order. Raises RunError: there are none, or a line is none."""
    rows = read_history(folder.findings) if folder.findings.exists() else []
    if not rows:
        raise RunError(
            f"{folder.path}: the guard has found nothing in this run; there is nothing to explain."
        )
    return [_finding(folder, number, row) for number, row in enumerate(rows, start=1)]


def _finding(folder: RunFolder, number: int, row: dict[str, Any]) -> Finding:
    try:
        return Finding.from_json(json.dumps(row, default=str))
    except ValueError as error:
        raise RunError(
            f"{folder.findings}, line {number}: {error}. "
            "The file was damaged or edited; remove that line to go on without it."
        ) from error


def chosen(findings: Sequence[Finding], wanted: str | None) -> Finding:
    """The finding of that name or code; without one the gravest, of equals the first.

    Raises RunError: no finding is so named.
    """
    if wanted is None:
        ranks = list(Severity)
        return max(findings, key=lambda each: (ranks.index(each.severity), -each.step))
    for each in findings:
        if wanted in (name_of(each), each.code):
            return each
    there = ", ".join(name_of(each) for each in findings)
    raise RunError(f"--finding {wanted}: there is no such finding; there are {there}.")


def case_of(kind: type[System[Any]], folder: RunFolder, finding: Finding) -> Case:
    """The run up to the last checkpoint that does not know the finding, or its start."""
    recipe = load(kind.recipe_type, folder.recipe)
    files = checkpoint.steps_of(folder.checkpoints)
    before = [step for step in sorted(files, reverse=True) if step <= finding.since_step]
    before = [] if bearing_on(finding.code).whole else before
    # A validation comes before the checkpoint of the same step, which then knows its findings.
    start = next((step for step in before if not _knows(files[step], finding)), 0)
    return Case(
        system=importable(kind),
        recipe=dump(recipe),
        symptom=Symptom(
            # Findings of a step bear its number from 0, those of a validation the count of steps.
            # What a step did to the weights is seen at the next one.
            steps=min(finding.step + 2, recipe.training.steps),
            codes=(finding.code,),
            severity=finding.severity.value,
        ),
        start=start,
        checkpoint=str(files[start]) if start else "",
        history=str(folder.history) if folder.history.exists() else "",
    )


def from_the_start(case: Case) -> Case:
    """The same with replays of the whole run, for a cause that came before the checkpoint."""
    return replace(case, start=0, checkpoint="")


def _knows(file: Path, finding: Finding) -> bool:
    """Whether the guard had made the finding when a checkpoint was written."""
    texts = checkpoint.load(file)["guard"]["findings"]
    return name_of(finding) in {name_of(Finding.from_json(text)) for text in texts}


def write(explanation: Explanation, path: Path) -> Path:
    """Write an explanation into RUN/explain, whole or not at all. Raises RunError: it cannot be."""
    file = path / FOLDER / f"{explanation.finding.replace('@', '-')}.json"
    text = json.dumps(explanation.to_json(), indent=1, allow_nan=False) + "\n"
    try:
        file.parent.mkdir(exist_ok=True)
    except OSError as error:
        raise RunError(f"{file}: not written: {explain(error, path)}") from error
    write_text(file, text)
    return file
