"""Maps, curves and pictures that a system shows of an example, in the colours of the page."""

import base64
import io
from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from wellposed.engine.telling.exhibit import (
    FILE,
    Axis,
    Curve,
    Exhibit,
    Item,
    Map,
    Picture,
    Spot,
    read_exhibit,
)
from wellposed.errors import DataError, RunError
from wellposed.report.markup import tag, text
from wellposed.report.themed import ALARM, BEST, GRID, SERIES, SOFT, for_page

SIZE_PX = (380, 250)
COLOURS = "magma"  # as for spectrograms: lightness rises evenly
TYPES = {".png": "png", ".jpg": "jpeg", ".jpeg": "jpeg", ".webp": "webp"}
MOST_BYTES = 1_000_000  # of one picture: five fill a page
# Told apart by shape and by colour.
SHAPES = {"true": "o", "estimated": "x", "other": "s"}
LINES = {"true": (BEST, "solid"), "estimated": (ALARM, (0, (4, 2))), "other": (SOFT, "dotted")}
KEY = {
    "true": "circle, whole line: where it is",
    "estimated": "cross, dashed line: where it was said to be",
    "other": "square, dotted line: another place",
}


def exhibit_parts(folder: Path, name: str) -> tuple[str, str]:
    """Title and HTML of the exhibit in the folder of an example; two empty texts without one.

    `name` begins all ids and must be unique in the page. Raises DataError: it cannot be shown.
    """
    if not (folder / FILE).is_file():
        return "", ""
    try:
        exhibit = read_exhibit(folder / FILE)
    except RunError as error:
        raise DataError(str(error)) from error
    figures = [_figure(folder, item, f"{name}-{i}") for i, item in enumerate(exhibit.items)]
    key = _key(exhibit)
    parts = [tag("p", text(exhibit.caption)) if exhibit.caption else ""]
    parts.append(tag("div", "".join(figures), class_="exhibits"))
    return exhibit.title, "".join(parts) + (tag("p", text(key), class_="quiet") if key else "")


def _key(exhibit: Exhibit) -> str:
    kinds = {spot.kind for item in exhibit.items for spot in _spots(item)}
    return "; ".join(words for kind, words in KEY.items() if kind in kinds)


def _spots(item: Item) -> Sequence[Spot]:
    return () if isinstance(item, Picture) else item.spots


def _figure(folder: Path, item: Item, name: str) -> str:
    drawn = _picture(folder, item) if isinstance(item, Picture) else draw_item(item, name)
    content = tag("h4", text(item.title)) + drawn + tag("figcaption", text(item.words))
    return tag("figure", content, class_="panel")


def _picture(folder: Path, item: Picture) -> str:
    path = folder / item.file
    kind = TYPES.get(path.suffix.lower())
    if kind is None or path.is_symlink() or not path.is_file():
        raise DataError(f"{path}: wanted a file beside exhibit.json, one of {', '.join(TYPES)}.")
    data = path.read_bytes()
    if len(data) > MOST_BYTES:
        raise DataError(f"{path}: has {len(data):,} bytes, wanted at most {MOST_BYTES:,}.")
    address = f"data:image/{kind};base64,{base64.b64encode(data).decode()}"
    return f'<img class="shown" src="{address}" alt="{text(item.words)}">'


def draw_item(item: Map | Curve, name: str) -> str:
    """One `<svg>` element; `name` begins all ids inside it."""
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": name}):
        canvas = Figure(figsize=(SIZE_PX[0] / 72, SIZE_PX[1] / 72), dpi=72)
        FigureCanvasSVG(canvas)
        axes = canvas.add_axes((0.155, 0.18, 0.8, 0.75))
        if isinstance(item, Map):
            _draw_map(canvas, axes, item)
        else:
            _draw_curve(axes, item)
        axes.set_xlabel(_label(item.x), color=SOFT, fontsize=10.5, labelpad=3)
        axes.tick_params(colors=SOFT, labelsize=10.5, length=0, pad=4)
        for spine in axes.spines.values():
            spine.set_visible(False)
        buffer = io.BytesIO()
        canvas.savefig(buffer, format="svg", transparent=True, dpi=144, metadata={"Date": None})
    return for_page(buffer.getvalue(), name, f"{item.title}. {item.words}")


def _draw_map(canvas: Figure, axes: Axes, item: Map) -> None:
    values = np.ma.masked_invalid(np.asarray(item.values, np.float64))
    drawn = axes.pcolormesh(
        np.asarray(item.x.values), np.asarray(item.y.values), values,
        cmap=COLOURS, vmin=item.low, vmax=item.high, shading="nearest", rasterized=True,
    )  # fmt: skip
    bar = canvas.colorbar(drawn, ax=axes, fraction=0.05, pad=0.03)
    bar.outline.set_visible(False)
    bar.ax.tick_params(colors=SOFT, labelsize=10.5, length=0)
    bar.set_label(item.unit, color=SOFT, fontsize=10.5)
    axes.set_ylabel(_label(item.y), color=SOFT, fontsize=10.5)
    for spot in item.spots:
        if spot.y is None:
            continue
        # A dark edge under a light one: seen on every colour of the map.
        for width, colour in ((4.0, "black"), (1.8, "white")):
            axes.plot(
                spot.x, spot.y, SHAPES[spot.kind], markersize=9, markeredgewidth=width,
                markeredgecolor=colour, markerfacecolor="none", clip_on=False, zorder=5,
            )  # fmt: skip
        if spot.label:
            _label_spot(axes, spot.label, (spot.x, spot.y))


def _label_spot(axes: Axes, label: str, place: tuple[float, float]) -> None:
    axes.annotate(
        label, place, xytext=(7, 6), textcoords="offset points",
        color="white", fontsize=10.5, fontweight="bold",
        bbox={"facecolor": "black", "alpha": 0.6, "edgecolor": "none", "pad": 1.5},
    )  # fmt: skip


def _draw_curve(axes: Axes, item: Curve) -> None:
    axes.grid(axis="y", color=GRID, linewidth=0.8)
    axes.plot(item.x.values, item.values, color=SERIES[0], linewidth=1.8)
    axes.set_xlim(item.x.values[0], item.x.values[-1])
    axes.set_ylabel(item.unit, color=SOFT, fontsize=10.5)
    for spot in item.spots:
        colour, style = LINES[spot.kind]
        axes.axvline(spot.x, color=colour, linestyle=style, linewidth=1.6)
        axes.text(
            spot.x, 1.02, spot.label, transform=axes.get_xaxis_transform(),
            color=colour, ha="center", fontsize=10.5, fontweight="bold",
        )  # fmt: skip


def _label(axis: Axis) -> str:
    return f"{axis.name} [{axis.unit}]" if axis.unit else axis.name
