"""A validation as the guard wants to hear it: scores by metric, beside those of trivial outputs."""

from collections.abc import Iterable, Mapping
from typing import Any

from wellposed.engine.system import System
from wellposed.engine.validation import Measured, Selection, Trivial
from wellposed.guard import Guard

Row = Mapping[str, float | None]


def examine(
    guard: Guard,
    system: System[Any],
    step: int,
    measured: Measured,
    trivial: Trivial,
    selection: Selection,
) -> None:
    """Let the guard judge a validation, while the networks hold the weights that were measured.

    Every rank must call it: a digest of sharded weights gathers them.
    """
    metrics, rows = system.metrics, measured.rows
    outputs = dict.fromkeys(name for number in rows for name in trivial.get(number, {}))
    scores = _columns(metrics, rows.values())
    guard.validate(
        step,
        scores,
        better={name: end for name, end in metrics.items() if end in ("higher", "lower")},
        select=selection.metric,
        trivial={
            name: _columns(metrics, [trivial.get(number, {}).get(name, {}) for number in rows])
            for name in outputs
        },
        again=_columns(metrics, measured.again.values()),
        items=selection.scenes,
        levels_db=scores.get(system.level_metric or "", ()),
        minimum_gain=system.recipe.validation.minimum_gain,
        training=measured.training,
    )


def _columns(metrics: Iterable[str], rows: Iterable[Row]) -> dict[str, list[float | None]]:
    """Turn rows into one list a metric; a metric that no row has is left out."""
    kept = list(rows)
    named = [metric for metric in metrics if any(metric in row for row in kept)]
    return {metric: [row.get(metric) for row in kept] for metric in named}
