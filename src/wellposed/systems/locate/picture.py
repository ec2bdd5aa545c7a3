"""A plot of what was found: directions, and ranges over azimuth, with their uncertainty."""

from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from wellposed.engine.storage.atomic import replacing
from wellposed.errors import DataError
from wellposed.systems.locate.found import Found

KINDS = {".png": FigureCanvasAgg, ".svg": FigureCanvasSVG}
SURE = 1.96
"""Standard deviations of the bars: 95 of 100 errors of a Gaussian estimate lie within."""


def draw(found: Found, path: Path) -> None:
    """Write one scene as PNG or SVG. Raises DataError: another ending."""
    kind = KINDS.get(path.suffix.lower())
    if kind is None:
        raise DataError(f"{path}: plots are written as {' or '.join(KINDS)}")
    rows = found.rows()
    ranged = any(row["range_m"] is not None for row in rows)
    figure = Figure(figsize=(9.6 if ranged else 5.2, 4.2), layout="constrained")
    canvas = kind(figure)
    panels = [("elevation_deg", "elevation_sd_deg", "elevation [deg]")]
    if ranged:
        panels.append(("range_m", "range_sd_m", "range [m]"))
    for number, (name, spread, title) in enumerate(panels):
        axes = figure.add_subplot(1, len(panels), number + 1)
        _panel(axes, rows, name, spread)
        axes.set(xlabel="azimuth [deg]", ylabel=title)
    figure.suptitle(f"{len(rows)} sources; bars: ± {SURE} standard deviations (95 %)", fontsize=10)
    with replacing(path) as sink:
        canvas.print_figure(sink, format=path.suffix[1:].lower())


def _panel(axes: Axes, rows: list[dict[str, float | int | None]], name: str, spread: str) -> None:
    for row in rows:
        x, y = row["azimuth_deg"], row[name]
        if x is None or y is None:
            continue
        wide, high = (SURE * (row[each] or 0.0) for each in ("azimuth_sd_deg", spread))
        axes.errorbar(x, y, high, wide, fmt="o", color="#1b6ca8", capsize=3, markersize=5)
        axes.annotate(
            f"{row['source']}: {row['level_db']:.0f} dB", (x, y), (6, 6),
            textcoords="offset points", fontsize=9,
        )  # fmt: skip
    axes.grid(alpha=0.3)
    axes.margins(0.15)
    if not rows:
        axes.text(0.5, 0.5, "no source", ha="center", transform=axes.transAxes)
