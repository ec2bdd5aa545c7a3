"""The comparison of two or more models on the same items: all of them against the first."""

import csv
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wellposed.engine.inside.apart import Apart, Layer
from wellposed.engine.inside.ranges_text import columns
from wellposed.engine.inside.versus import Better, Scores, Versus, versus
from wellposed.engine.telling.figures import counted, number

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


@dataclass(frozen=True)
class Measure:
    """One metric: its name for people, its good end, and a list of scores per model."""

    title: str
    better: Better
    scores: Sequence[Scores]


@dataclass(frozen=True)
class Comparison:
    """Everything found; `text`, `report` and `write` tell it."""

    names: tuple[str, ...]
    """Of the models, the first one first."""
    parameters: tuple[int, ...]
    items: tuple[str, ...]
    fed: str
    """What the models were fed with, in words."""
    walked: int
    """Items on which layers were compared, the first ones."""
    apart: tuple[Apart, ...]
    """Of every other model."""
    measures: Mapping[str, Measure]
    recipes: tuple[Mapping[str, tuple[Any, Any]], ...]
    """Of every other model: keys of the recipe that differ, with both values."""

    @property
    def versus(self) -> list[list[Versus]]:
        """For every other model, all metrics."""
        return [
            [
                versus(name, each.better, each.scores[0], each.scores[other])
                for name, each in self.measures.items()
            ]
            for other in range(1, len(self.names))
        ]

    def text(self) -> str:
        """Tables for people."""
        parts = [self._heading()]
        for place, apart in enumerate(self.apart):
            parts.append(_layers(apart, LETTERS[place + 1], self.recipes[place], self.walked))
        parts.append(self._metrics())
        return "\n\n".join(parts)

    def report(self) -> dict[str, Any]:
        """All figures as JSON values (numbers may be NaN or infinite)."""
        return {
            "models": [
                {"name": name, "parameters": count}
                for name, count in zip(self.names, self.parameters, strict=True)
            ],
            "fed": self.fed,
            "items": list(self.items),
            "walked": self.walked,
            "against_the_first": [
                {
                    "name": self.names[place + 1],
                    "equal_bit_for_bit": apart.equal,
                    "layers_by": apart.by,
                    "weights_equal": apart.weights,
                    "first_changed_weight": apart.changed,
                    "recipe": dict(self.recipes[place]),
                    "first_parted": apart.first_parted.label if apart.first_parted else None,
                    "layers": [layer.report() for layer in apart.layers],
                    "metrics": [each.report() for each in self.versus[place]],
                }
                for place, apart in enumerate(self.apart)
            ],
        }

    def write_tables(self, folder: Path) -> None:
        """Write items.csv (scores per item and model) and layers.csv (dB per item and layer)."""
        folder.mkdir(parents=True, exist_ok=True)
        scored = [
            [item, name, *(_cell(scores[row]) for scores in each.scores)]
            for name, each in self.measures.items()
            for row, item in enumerate(self.items)
        ]
        _write(folder / "items.csv", ["item", "metric", *self.names], scored)
        walked = [
            [item, self.names[place + 1], layer.label, _cell(db)]
            for place, apart in enumerate(self.apart)
            for layer in apart.layers
            for item, db in zip(self.items, layer.apart, strict=False)
        ]
        _write(folder / "layers.csv", ["item", "model", "layer", "difference_db"], walked)

    def _heading(self) -> str:
        rows = [
            [LETTERS[place], name, f"{count:,} parameters"]
            for place, (name, count) in enumerate(zip(self.names, self.parameters, strict=True))
        ]
        return "\n".join([*columns(rows), f"fed with {self.fed}"])

    def _metrics(self) -> str:
        others = dict(zip(LETTERS[1:], self.versus, strict=False))
        rows = [["metric", "A", "", "other - A [95 %]", "better/worse/equal", "sign test"]]
        for place, each in enumerate(self.measures.values()):
            made = {letter: versus[place] for letter, versus in others.items()}
            titles = [each.title, *[""] * (len(made) - 1)]
            named = zip(titles, made.items(), strict=True)
            rows += [_metric_row(title, letter, versus) for title, (letter, versus) in named]
        lines = columns(rows)
        lines.insert(1, "-" * max(len(line) for line in lines))
        for letter, all_made in others.items():
            lines += [
                f"{made.undefined} of {len(self.items)} items have no "
                f"{self.measures[made.name].title} with A or {letter}"
                for made in all_made
                if made.undefined
            ]
        return "\n".join([f"metric by metric, {counted(len(self.items), 'item')}", *lines])


def _metric_row(title: str, letter: str, made: Versus) -> list[str]:
    interval = made.difference
    said = "undefined"
    if interval.n:
        ends = f" [{number(interval.low)}, {number(interval.high)}]" if interval.n > 1 else ""
        said = f"{'+' if interval.mean > 0 else ''}{number(interval.mean)}{ends}"
    counts = f"{made.wins}/{made.losses}/{made.ties}"
    first, other = (_fixed(mean) for mean in made.means)
    return [title, first, f"{letter} {other}", said, counts, f"p = {number(made.chance)}"]


def _layers(apart: Apart, letter: str, recipe: Mapping[str, tuple[Any, Any]], walked: int) -> str:
    lines = [
        f"{letter} against A, layer by layer, matched by {apart.by}, {counted(walked, 'item')}"
    ]
    if recipe:
        shown = [f"{key} {a} | {b}" for key, (a, b) in list(recipe.items())[:6]]
        more = f", and {len(recipe) - 6} more" if len(recipe) > 6 else ""
        lines.append(f"recipes differ in {', '.join(shown)}{more}")
    if apart.weights is not None:
        equal, count = apart.weights
        first = f"; the first that differs is {apart.changed}" if apart.changed else ""
        lines.append(f"weights: {equal} of {count} tensors are equal bit for bit{first}")
    if apart.equal:
        return "\n".join([*lines, "equal bit for bit: every weight, every layer, every output"])
    rows = [["layer", "difference relative to A", "rounding", "alike"]]
    rows += [_layer_row(layer) for layer in apart.layers]
    table = columns(rows)
    table.insert(1, "-" * max(len(line) for line in table))
    parted = apart.first_parted
    some = " of the layers that can be subtracted" if any(not x.apart for x in apart.layers) else ""
    verdict = (
        f"first apart beyond rounding{some}: {parted.label}"
        if parted
        else f"nowhere apart beyond rounding{some}"
    )
    return "\n".join([*lines, *table, verdict])


def _layer_row(layer: Layer) -> list[str]:
    first, other = layer.shapes
    if first is None or other is None:
        return [layer.label, f"only in {'A' if other is None else 'the other'}", "", ""]
    alike = "" if math.isnan(layer.cka) else f"{layer.cka:.3f}"
    if not layer.apart:
        sizes = " | ".join("x".join(map(str, shape)) for shape in (first, other))
        return [layer.label, f"shapes {sizes}", "", alike]
    near = [each for each in layer.rounding if math.isfinite(each)]
    rounding = f"{max(near):.1f} dB" if near else "none"
    return [layer.label, layer.distances.text(), rounding, alike]


def _fixed(value: float) -> str:
    return "nan" if math.isnan(value) else f"{value:.3f}"


def _cell(value: float | None) -> str:
    return "" if value is None else repr(float(value))


def _write(path: Path, heads: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(heads)
        writer.writerows(rows)
