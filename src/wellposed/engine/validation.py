"""Scores on a fixed list of scenes, and what follows from them: the best, and when to stop.

The scenes are the first `validation.scenes` of the validation split, always; their hash is in
every row of the history, and scores under different hashes are never compared.
"""

import hashlib
import json
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import torch
from torch import nn

from wellposed.engine.distributed import World, gather_rows
from wellposed.engine.sections import Validation
from wellposed.engine.system import System
from wellposed.errors import RecipeError
from wellposed.intervals import mean_interval

Rows = dict[int, dict[str, float | None]]
Trivial = dict[int, Mapping[str, Mapping[str, float | None]]]
"""Scene number -> trivial output -> metric -> score."""
AGAIN = 2
"""Scenes that are measured twice: one may repeat by luck, and more cost more."""


def direction(system: System[Any]) -> str:
    """Return "higher" or "lower" for the metric that selects.

    Raises RecipeError for a metric that is not measured, or that has no better end, and for a
    promise about a metric that is not measured.
    """
    name, known = system.recipe.validation.select, system.metrics
    for promised in system.recipe.validation.criteria:
        if promised not in known:
            raise RecipeError(
                f"validation.criteria: {promised!r} is not measured: want one of "
                f"{', '.join(known)}."
            )
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


@dataclass(frozen=True)
class Measured:
    """One validation, scene by scene; the same on every rank."""

    rows: Rows
    """Scores as they were measured."""
    again: Rows
    """Scores of the first scenes, rendered and measured once more after all others."""
    training: tuple[str, ...]
    """Networks of which some part was in training mode."""

    @property
    def finite(self) -> Rows:
        """The rows where a score that is not finite is no score: None, counted as failed."""
        return {number: _finite(row) for number, row in self.rows.items()}


def validate(
    system: System[Any], networks: Mapping[str, nn.Module], world: World, *, shared: bool
) -> Rows:
    """Measure every scene once, without what the guard wants to know; finite scores or None."""
    return measure(system, networks, world, shared=shared, again=0).finite


def measure(
    system: System[Any],
    networks: Mapping[str, nn.Module],
    world: World,
    *,
    shared: bool,
    trivial: Trivial | None = None,
    again: int = AGAIN,
) -> Measured:
    """Measure every scene; `shared` divides them among ranks (not for sharded networks).

    Every rank returns the same rows, so that all of them choose alike. Scores of trivial outputs
    are added to `trivial` for the scenes that it lacks.
    """
    count, step = system.recipe.validation.scenes, world.ranks if shared else 1
    mine = range(world.rank if shared else 0, count, step)
    found: dict[int, dict[str, Any]] = {}
    with resting(networks), torch.no_grad():
        for number in mine:
            item = system.item("valid", number)
            found[number] = {"row": dict(system.measure(networks, item))}
            if trivial is not None and number not in trivial:
                found[number]["trivial"] = system.trivial(item)
        for number in mine[:again]:
            if number < again:
                row = system.measure(networks, system.item("valid", number))
                found[number]["again"] = dict(row)
        training = tuple(name for name, each in networks.items() if _trains(each))
    found = dict(sorted(gather_rows(found, world).items()))
    if trivial is not None:
        trivial.update({n: each["trivial"] for n, each in found.items() if "trivial" in each})
    rows = {number: each["row"] for number, each in found.items()}
    second = {number: each["again"] for number, each in found.items() if "again" in each}
    return Measured(rows, second, training)


@contextmanager
def resting(networks: Mapping[str, nn.Module]) -> Iterator[None]:
    """Put networks into evaluation mode for a while, and back."""
    training = {name: network.training for name, network in networks.items()}
    for network in networks.values():
        network.eval()
    try:
        yield
    finally:
        for name, network in networks.items():
            network.train(training[name])


def _trains(network: nn.Module) -> bool:
    return any(module.training for module in network.modules())


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
    within: bool = True
    """Whether the best keeps all promises that are binding."""

    def consider(self, step: int, rows: Rows, recipe: Validation, seed: int) -> bool:
        """Take in a validation; True if it is the new best.

        `waiting` counts validations that were *surely* no better: the upper end of the paired
        interval of the gain lies below `minimum_gain`. Noise alone does not stop a run. What breaks
        a binding promise is the best only while nothing keeps them all.
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
        within = _within(rows, recipe)
        better = sign * (mean - self.value) > recipe.minimum_gain
        if first or (within and not self.within) or (better and within == self.within):
            self.step, self.value, self.values, self.waiting = step, mean, values, 0
            self.within = within
            return True
        return False

    def exhausted(self, recipe: Validation) -> bool:
        """Whether patience is at its end."""
        return 0 < recipe.patience <= self.waiting

    def state(self) -> dict[str, object]:
        """Return the state as JSON values."""
        return asdict(self)


def _within(rows: Rows, recipe: Validation) -> bool:
    """Whether the means keep all binding promises."""
    for name, promise in recipe.criteria.items():
        values = [value for row in rows.values() if (value := row.get(name)) is not None]
        if promise.binding and not promise.kept_by(float(np.mean(values)) if values else None):
            return False
    return True
