"""What was found: places with their uncertainty, as rows for tables, JSON and CSV."""

import csv
import io
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from wellposed.dsp.arrays.wavefront import Places

COLUMNS = (
    "scene", "source", "azimuth_deg", "azimuth_sd_deg", "elevation_deg", "elevation_sd_deg",
    "range_m", "range_sd_m", "level_db",
)  # fmt: skip


@dataclass(frozen=True)
class Found:
    """One scene. Standard deviations are roots of the inverse Fisher information at the estimate.

    They hold for errors that are small beside a beam: not for a source that is none, nor for one
    that was missed.
    """

    places: Places
    """`(sources,)`"""
    deviations: Tensor
    """`(3, sources)` of azimuth, elevation [rad] and range [m]; inf where nothing is determined, 0
    where a coordinate was not searched"""
    level_db: Tensor
    """`(sources,)` power of each source over the noise, both in one output on average"""
    noise: float
    """Power of the noise in one output"""
    converged: bool
    start: str
    """What the fit began with: a name of `estimate.STARTS`"""

    def rows(self, scene: int = 0) -> list[dict[str, float | int | None]]:
        """One row a source, the strongest first; None for what is infinite."""
        degrees = math.degrees(1)
        columns = torch.stack(
            (
                self.places.azimuth * degrees, self.deviations[0] * degrees,
                self.places.elevation * degrees, self.deviations[1] * degrees,
                self.places.range, self.deviations[2], self.level_db,
            ),
            -1,
        )  # fmt: skip
        ordered = columns[self.level_db.argsort(descending=True)].tolist()
        return [
            dict(zip(COLUMNS, (scene, number + 1, *(_plain(each) for each in row)), strict=True))
            for number, row in enumerate(ordered)
        ]


def _plain(value: float) -> float | None:
    return value if math.isfinite(value) else None


def text_of(scenes: Sequence[Found]) -> str:
    """A table for people."""
    lines = ["scene source     azimuth [deg]   elevation [deg]         range [m]  level [dB]"]
    for number, scene in enumerate(scenes):
        rows = scene.rows(number)
        if not rows:
            lines.append(f"{number:5d}      -  no source stands out of the noise")
        for row in rows:
            pairs = "".join(
                f"{_pair(row[name], row[spread]):>18}"
                for name, spread in zip(COLUMNS[2:8:2], COLUMNS[3:8:2], strict=True)
            )
            lines.append(f"{number:5d} {row['source']:6d}{pairs}  {row['level_db']:10.1f}")
        if not scene.converged:
            lines.append(f"{number:5d}      !  the fit has not come to rest: take it as a start")
    lines.append("± one standard deviation, from the Fisher information at the estimate")
    return "\n".join(lines)


def _pair(value: float | None, spread: float | None) -> str:
    if value is None:
        return "far"
    if spread is None:
        return f"{value:.2f} ± ?"
    if spread == 0:
        return f"{value:.2f}"
    digits = min(4, max(1, 1 - math.floor(math.log10(spread))))
    return f"{value:.{digits}f} ± {spread:.{digits}f}"


def json_of(scenes: Sequence[Found]) -> str:
    """All scenes for machines."""
    content = [
        {
            "sources": scene.rows(number),
            "noise_power": scene.noise,
            "converged": scene.converged,
            "start": scene.start,
        }
        for number, scene in enumerate(scenes)
    ]
    return json.dumps(content, indent=1)


def csv_of(scenes: Sequence[Found]) -> str:
    """One line a source; an empty field is unknown or infinite."""
    sink = io.StringIO()
    writer = csv.DictWriter(sink, COLUMNS, lineterminator="\n")
    writer.writeheader()
    for number, scene in enumerate(scenes):
        writer.writerows(scene.rows(number))
    return sink.getvalue()
