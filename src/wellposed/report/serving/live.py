"""What a page asks again and again while its run goes on: numbers as JSON, and nothing else."""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from wellposed.report.charts import name_of
from wellposed.report.draw import thin
from wellposed.report.facts import RunFacts, Series
from wellposed.report.sections import tiles_of
from wellposed.report.serving.found import writer_of
from wellposed.report.verdict import details, verdict
from wellposed.report.wording import duration, quantity

MOST_POINTS = 600
"""Of one curve: two for each pixel of a panel's width."""
CURVES = ("loss", "gradient_norm")
LATEST = ("loss", "gradient_norm", "learning_rate", "items_per_s")


def live_numbers(facts: RunFacts) -> dict[str, Any]:
    """Everything that changes on a page between two drawings, as strict JSON."""
    return {
        "going": not facts.end,
        "state": state_text(facts),
        "step": facts.last_step or 0,
        "planned": facts.planned_steps,
        "verdict": verdict(facts),
        "details": details(facts),
        "tiles": [list(tile) for tile in tiles_of(facts)],
        "latest": [_latest(facts, name) for name in LATEST if name in facts.train],
        "curves": [
            {"name": name_of(name)[0], "points": _points(facts.train[name])}
            for name in CURVES
            if name in facts.train
        ]
        + _scores(facts),
        # What the drawn sections depend on: they are fetched anew when this changes.
        "drawn": drawn(facts),
    }


def drawn(facts: RunFacts) -> str:
    """Changes when the sections of a page would."""
    validations = max((len(scores) for scores in facts.validation.values()), default=0)
    return f"{len(facts.findings)}-{len(facts.events)}-{validations}-{len(facts.explanations)}"


def state_text(facts: RunFacts) -> str:
    """Whether it finished, goes on, or was interrupted, and when it was last heard of."""
    if facts.end:
        return facts.end
    writer = writer_of(facts.folder)
    said = f"goes on in {writer}" if writer else "no process trains here: interrupted"
    return f"{said}; last row {age_text(facts.folder)} ago"


def age_text(run: Path) -> str:
    """Time since the last row of the history."""
    try:
        return duration(max(0.0, time.time() - (run / "history.jsonl").stat().st_mtime))
    except OSError:
        return "unknown time"


def _latest(facts: RunFacts, name: str) -> Mapping[str, str]:
    title, unit = name_of(name)
    return {"name": title, "value": quantity(float(facts.train[name].values[-1]), unit)}


def _scores(facts: RunFacts) -> list[Mapping[str, Any]]:
    scores = facts.validation.get(facts.select or "")
    if not scores:
        return []
    points = [[score.step, _number(score.mean)] for score in scores]
    return [{"name": name_of(facts.select or "")[0], "points": points}]


def _points(series: Series) -> list[list[float | int | None]]:
    steps, values = thin(series.steps, series.values, MOST_POINTS)
    return [[int(step), _number(value)] for step, value in zip(steps, values, strict=True)]


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
