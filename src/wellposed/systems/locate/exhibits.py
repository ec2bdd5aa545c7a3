"""Examples for the report page: maps of a scene with the places that are there and were found."""

import math
from dataclasses import replace

import torch
from torch import Tensor

from wellposed.dsp.arrays.wavefront import Places
from wellposed.engine.telling.exhibit import Axis, Curve, Exhibit, Item, Map, Spot
from wellposed.systems.locate.cells import Cells
from wellposed.systems.locate.model import Proposed


def exhibit_of(cells: Cells, made: Proposed, truth: Places, found: Places) -> Exhibit:
    """Two maps over directions of the first scene of a batch: what is heard, what is proposed.

    Of a line two curves over sin(azimuth).
    """
    spots = [*_spots(truth, "true"), *_spots(found, "estimated")]
    left, bottom, width, height = cells.extent
    u = Axis("sin(azimuth) cos(elevation)", "", _middles(left, width, cells.columns))
    v = Axis("sin(elevation)", "", _middles(bottom, height, cells.rows))
    size = (cells.columns, cells.rows)
    energy = made.energy[0].reshape(*size, -1).amax(-1)
    heard = 10 * (energy / energy.max()).log10()
    presence = made.presence[0].reshape(size).sigmoid()
    best = "" if cells.flat else " at the best range"
    first = "What is heard", f"Energy{best} in each direction: {float(heard.min()):.1f} to 0 dB."
    second = (
        "What the network proposes",
        f"Probability that a source is in a cell, at most {float(presence.max()):.2f}.",
    )
    if cells.flat:
        lines = [replace(each, y=None) for each in spots]
        u = replace(u, name="sin(azimuth)")
        items: list[Item] = [
            Curve(*first, u, _rows(heard)[0], "dB", lines),
            Curve(*second, u, _rows(presence)[0], spots=lines),
        ]
    else:
        items = [
            Map(*first, u, v, _rows(heard), "dB", spots=spots),
            Map(*second, u, v, _rows(presence), low=0.0, high=1.0, spots=spots),
        ]
    return Exhibit(
        f"{len(truth.azimuth)} sources, {len(found.azimuth)} found",
        f"There are {listed(truth)}; found were {listed(found)}.",
        items,
    )


def listed(places: Places) -> str:
    """Places in words: `2 (10.0 deg, -3.0 deg, 1.52 m; ...)`; of far ones the azimuth alone."""
    rows = zip(*(each.tolist() for each in _degrees(places)), strict=True)
    told = [
        f"{a:.1f} deg" + (f", {e:.1f} deg, {r:.2f} m" if math.isfinite(r) else "")
        for a, e, r in rows
    ]
    return f"{len(told)} ({'; '.join(told)})" if told else "none"


def _degrees(places: Places) -> tuple[Tensor, Tensor, Tensor]:
    return torch.rad2deg(places.azimuth), torch.rad2deg(places.elevation), places.range


def _spots(places: Places, kind: str) -> list[Spot]:
    u = places.azimuth.sin() * places.elevation.cos()
    pairs = zip(u.tolist(), places.elevation.sin().tolist(), strict=True)
    assert kind in ("true", "estimated")
    return [
        Spot(x, y, "true" if kind == "true" else "estimated", str(i) if kind == "true" else "")
        for i, (x, y) in enumerate(pairs, 1)
    ]


def _middles(low: float, width: float, count: int) -> list[float]:
    return [low + width * (number + 0.5) for number in range(count)]


def _rows(values: Tensor) -> list[list[float]]:
    """Values `(columns, rows)` by rows, in four digits."""
    return [[float(f"{value:.4g}") for value in row] for row in values.mT.tolist()]
