"""Scores on a fixed list of scenes, and what follows from them: the best, and when to stop.

The scenes are the first `validation.scenes` of the validation split, always; their hash is in
every row of the history, and scores under different hashes are never compared.
"""

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import torch
from torch import nn

from wellposed.engine.distributed import World, gather_rows
from wellposed.engine.recipe import Validation
from wellposed.engine.system import System
from wellposed.errors import RecipeError
from wellposed.intervals import mean_interval

Rows = dict[int, dict[str, float | None]]


def direction(system: System[Any]) -> str:
    """Return "higher" or "lower" for the metric that selects.

    Raises RecipeError for a metric that is not measured, or that has no better end.
    """
    name, known = system.recipe.validation.select, system.metrics
    if known.get(name) not in ("higher", "lower"):
        usable = [metric for metric, better in known.items() if better in ("higher", "lower")]
        raise RecipeError(
            f"validation.select = {name!r} cannot choose a checkpoint: want one of "
            f"{', '.join(usable)}."
        )
    return known[name]


def scenes_hash(system: System[Any]) -> str:
    """Name the list of validation scenes by all that they depend on."""
    facts = {
        "data": system.data_digest,
        "seed": system.recipe.seed,
        "scenes": system.recipe.model_dump(mode="json").get("scenes"),
        "count": system.recipe.validation.scenes,
    }
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:16]


def validate(
    system: System[Any], networks: Mapping[str, nn.Module], world: World, *, shared: bool
) -> Rows:
    """Measure every scene; `shared` divides them among ranks (not for sharded networks).

    A score that is not finite is no score: None, and counted as failed. Every rank returns the
    same rows, so that all of them choose alike.
    """
    count = system.recipe.validation.scenes
    step = world.ranks if shared else 1
    training = {name: network.training for name, network in networks.items()}
    for network in networks.values():
        network.eval()
    try:
        with torch.no_grad():
            mine = range(world.rank if shared else 0, count, step)
            rows = {n: _finite(system.measure(networks, system.item("valid", n))) for n in mine}
    finally:
        for name, network in networks.items():
            network.train(training[name])
    return dict(sorted(gather_rows(rows, world).items()))


def _finite(row: Mapping[str, float | None]) -> dict[str, float | None]:
    return {k: None if v is None or not math.isfinite(v) else v for k, v in row.items()}


def summary(rows: Rows, seed: int) -> dict[str, dict[str, float | int]]:
    """Mean, bootstrap interval, count and failures of every metric."""
    names = list(dict.fromkeys(name for row in rows.values() for name in row))
    table: dict[str, dict[str, float | int]] = {}
    for name in names:
        values = np.array([v for row in rows.values() if (v := row.get(name)) is not None])
        spread = mean_interval(values, np.random.default_rng(seed))
        table[name] = {
            "mean": spread.mean,
            "low": spread.low,
            "high": spread.high,
            "n": spread.n,
            "failed": len(rows) - spread.n,
        }
    return table


@dataclass
class Selection:
    """The best checkpoint so far, by one named metric on one list of scenes."""

    metric: str
    better: str
    scenes: str
    step: int = -1
    value: float = float("nan")
    values: list[float | None] = field(default_factory=list)
    waiting: int = 0

    def consider(self, step: int, rows: Rows, recipe: Validation, seed: int) -> bool:
        """Take in a validation; True if it is the new best.

        `waiting` counts validations that were *surely* no better: the upper end of the paired
        interval of the gain lies below `minimum_gain`. Noise alone does not stop a run.
        """
        values = [row[self.metric] for row in rows.values()]
        scored = [value for value in values if value is not None]
        if not scored:
            return False
        mean = float(np.mean(scored))
        sign = 1.0 if self.better == "higher" else -1.0
        first = self.step < 0
        gains = [
            sign * (now - then)
            for now, then in zip(values, self.values, strict=False)
            if now is not None and then is not None
        ]
        if not first and gains:
            gain = mean_interval(np.array(gains), np.random.default_rng(seed))
            self.waiting = self.waiting + 1 if gain.high < recipe.minimum_gain else 0
        if first or sign * (mean - self.value) > recipe.minimum_gain:
            self.step, self.value, self.values, self.waiting = step, mean, values, 0
            return True
        return False

    def exhausted(self, recipe: Validation) -> bool:
        """Whether patience is at its end."""
        return 0 < recipe.patience <= self.waiting

    def state(self) -> dict[str, object]:
        """Return the state as JSON values."""
        return asdict(self)
