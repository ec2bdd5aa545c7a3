"""Scores of two runs item by item: what `wellposed evaluate` left, paired where the items agree."""

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite
from pathlib import Path

import numpy as np

from wellposed.intervals import Interval, paired_interval
from wellposed.report.facts import number

FILES = "*/scores.csv"
"""Where evaluations leave scores: evaluation/ by default, any folder of the run by `--out`."""
NOISY = "noisy/"
SAME = 1e-9
"""Relative difference of scores of the same input: those of the same samples have the same bits,
but for the rounding of sums in another order on another machine."""

Items = Mapping[str, Mapping[str, float]]
"""Item -> metric -> score; what was undefined is NaN."""


@dataclass(frozen=True)
class Paired:
    """One metric on the items that both runs have."""

    metric: str
    first: float
    """Mean of the first run over the pairs."""
    second: float
    difference: Interval
    """Of second minus first, item by item."""


def read_evaluations(run: Path) -> dict[str, Items]:
    """The scores of every evaluation in the run, by the name of its folder."""
    return {path.parent.name: _read(path) for path in sorted(run.glob(FILES))}


def _read(path: Path) -> Items:
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return {
        str(next(iter(row.values()))): {
            name: number(value)
            for name, value in list(row.items())[1:]
            if name and name != "undefined"
        }
        for row in rows
    }


def same_items(first: Items, second: Items) -> tuple[list[str], int]:
    """Names that both have with the same input, and how many others share a name only.

    The same input has the same scores untreated. Where these were not written, the name decides.
    """
    names = [name for name in first if name in second]
    same = [name for name in names if _same_input(first[name], second[name])]
    return same, len(names) - len(same)


def paired(first: Items, second: Items, names: list[str], seed: int = 0) -> list[Paired]:
    """The metrics of both on these items, with the interval of their mean difference."""
    metrics = [
        name
        for name in dict.fromkeys(key for item in names for key in first[item])
        if not name.startswith(NOISY)
    ]
    made = []
    for metric in metrics:
        pairs = [
            (first[name].get(metric, np.nan), second[name].get(metric, np.nan)) for name in names
        ]
        both = np.asarray([pair for pair in pairs if all(map(isfinite, pair))])
        if not len(both):
            continue
        generator = np.random.default_rng([seed, *metric.encode()])
        interval = paired_interval(both[:, 1], both[:, 0], generator)
        made.append(Paired(metric, float(both[:, 0].mean()), float(both[:, 1].mean()), interval))
    return made


def _same_input(first: Mapping[str, float], second: Mapping[str, float]) -> bool:
    shared = [name for name in first if name.startswith(NOISY) and name in second]
    return all(
        np.isclose(first[name], second[name], rtol=SAME, atol=SAME, equal_nan=True)
        for name in shared
    )
