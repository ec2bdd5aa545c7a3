"""Curves as SVG that takes its colours from the page.

`draw_chart` draws one panel. Points that are not finite leave a gap and a cross at the foot of
the panel: a curve never bridges them.
"""

import io
from collections.abc import Sequence
from dataclasses import dataclass

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter
from numpy.typing import NDArray

from wellposed.report.themed import ALARM, BEST, EVENT, GRID, INK, SERIES, SOFT, for_page
from wellposed.report.wording import figure, tick

Numbers = NDArray[np.float64]

MOST_POINTS = 2000  # of one curve; a panel is about 300 px wide, two extremes a pixel are 600
BUCKETS_OF_TREND = 80
ROWS_WITH_TREND = 240  # below, the raw curve is legible by itself
SHAKES_FROM = 0.2  # share of turns; white noise turns at 2/3 of its points, a schedule at none
LOG_FROM_RATIO = 30.0  # a linear axis gives the lower half of such a range under 4 % of its height
SIZE_PX = (380, 236)
STEPS = "training step"

# Line styles differ too, so that no curve is told apart by colour alone.
DASHES = ("solid", (0, (5, 1.6)), (0, (1.2, 1.4)), (0, (6, 1.5, 1.2, 1.5)))


@dataclass(frozen=True)
class Line:
    """One curve; `low` and `high` are the ends of its confidence band."""

    label: str
    steps: Numbers
    values: Numbers
    low: Numbers | None = None
    high: Numbers | None = None


@dataclass(frozen=True)
class Mark:
    """A place in the run that another part of the page tells about."""

    step: int
    label: str
    link: str
    alarm: bool


@dataclass(frozen=True)
class Chart:
    """One panel: curves in one unit over the steps of the run."""

    title: str
    unit: str
    lines: tuple[Line, ...]
    level: float | None = None
    """A horizontal line to compare with, as the score of the noisy input."""
    best_step: int | None = None
    dots: bool = False
    """Draw every value as a dot: right for few values, as of validations."""
    wide: bool = True
    """May have a logarithmic axis when the values span more than `LOG_FROM_RATIO`."""
    axis: str = STEPS
    """What the curves are over."""
    keys: tuple[str, ...] = ()
    """Names of what is drawn, as the history has them."""


def draw_chart(chart: Chart, marks: Sequence[Mark], span: tuple[float, float], name: str) -> str:
    """One `<svg>` element; `name` begins all ids inside it and must be unique in the page."""
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": name, "path.simplify": True}):
        canvas = Figure(figsize=(SIZE_PX[0] / 72, SIZE_PX[1] / 72), dpi=72)
        FigureCanvasSVG(canvas)
        axes = canvas.add_axes((0.155, 0.18, 0.825, 0.7))
        _dress(axes, chart, span)
        for line, colour, dash in zip(chart.lines, SERIES, DASHES, strict=False):
            _draw_line(axes, line, colour, dash, chart)
        _draw_bad_values(axes, chart, span)
        _draw_marks(axes, marks, span)
        buffer = io.BytesIO()
        canvas.savefig(buffer, format="svg", transparent=True, metadata={"Date": None})
    return for_page(buffer.getvalue(), name, describe(chart))


def describe(chart: Chart) -> str:
    """The panel in words, for those who do not see it."""
    unit = f" [{chart.unit}]" if chart.unit else ""
    over = "the training steps" if chart.axis == STEPS else chart.axis
    at = "at step " if chart.axis == STEPS else "at "
    parts = [f"{chart.title}{unit} over {over}."]
    for line in chart.lines:
        good = np.isfinite(line.values)
        subject = f"{line.label}: " if len(chart.lines) > 1 else ""
        if not good.any():
            parts.append(f"{subject}no finite value.")
            continue
        steps, values = line.steps[good], line.values[good]
        low, high = int(values.argmin()), int(values.argmax())
        text = (
            f"{subject}{figure(values[0])} {at}{steps[0]:g}, "
            f"{figure(values[-1])} {at}{steps[-1]:g}, "
            f"lowest {figure(values[low])} {at}{steps[low]:g}, "
            f"highest {figure(values[high])} {at}{steps[high]:g}"
        )
        bad = int((~good).sum())
        parts.append(text + (f", {bad} not finite." if bad else "."))
    if chart.level is not None:
        parts.append(f"Noisy input: {figure(chart.level)}.")
    return " ".join(parts)


def thin(steps: Numbers, values: Numbers, most: int = MOST_POINTS) -> tuple[Numbers, Numbers]:
    """At most `most` points of a curve, the extremes of every stretch among them.

    A stretch that holds a value that is not finite keeps one, so that the gap stays visible.
    """
    if len(steps) <= most:
        return steps, values
    kept: list[int] = []
    for part in np.array_split(np.arange(len(steps)), most // 3):
        good = part[np.isfinite(values[part])]
        if good.size:
            kept += [good[values[good].argmin()], good[values[good].argmax()]]
        if good.size < part.size:
            kept.append(part[~np.isfinite(values[part])][0])
    chosen = np.unique(kept)
    return steps[chosen], values[chosen]


def trend(steps: Numbers, values: Numbers) -> tuple[Numbers, Numbers]:
    """Medians of equal stretches; NaN for a stretch with a value that is not finite."""
    parts = np.array_split(np.arange(len(steps)), BUCKETS_OF_TREND)
    medians = [
        np.median(values[part]) if np.isfinite(values[part]).all() else np.nan for part in parts
    ]
    return np.asarray([steps[part].mean() for part in parts]), np.asarray(medians)


def has_trend(chart: Chart, line: Line) -> bool:
    """Whether the curve shows medians over faint raw values: one that shakes all the time does."""
    values = line.values[np.isfinite(line.values)]
    if chart.dots or len(values) < ROWS_WITH_TREND:
        return False
    moves = np.diff(values)
    return bool((moves[1:] * moves[:-1] < 0).mean() > SHAKES_FROM)


def _dress(axes: Axes, chart: Chart, span: tuple[float, float]) -> None:
    axes.set_xlim(*span)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color(SOFT)
    axes.grid(axis="y", color=GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(which="both", colors=SOFT, labelsize=10.5, length=0, pad=4)
    axes.tick_params(axis="x", length=3)
    axes.set_xlabel(chart.axis, color=SOFT, fontsize=10.5, labelpad=3)
    label = f"{chart.title} [{chart.unit}]" if chart.unit else chart.title
    axes.set_ylabel(label, color=SOFT, fontsize=10.5)
    axes.yaxis.set_label_coords(-0.148, 0.5)
    axes.xaxis.set_major_locator(
        MaxNLocator(5, integer=chart.axis == STEPS, steps=[1, 2, 2.5, 5, 10])
    )
    axes.xaxis.set_major_formatter(FuncFormatter(lambda step, _: _short_step(step, span[1])))
    if _is_wide(chart):
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(LogLocator(10, subs=(1.0, 2.0, 5.0), numticks=6))
        axes.yaxis.set_minor_formatter(NullFormatter())
    else:
        axes.yaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 2.5, 5, 10]))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: tick(value)))


def _is_wide(chart: Chart) -> bool:
    values = np.concatenate([line.values[np.isfinite(line.values)] for line in chart.lines])
    if not chart.wide or not values.size or values.min() <= 0:
        return False
    return bool(values.max() / values.min() > LOG_FROM_RATIO)


def _short_step(step: float, last: float) -> str:
    return f"{step / 1000:g}k" if step and last >= 10_000 else f"{step:g}"


def _draw_line(axes: Axes, line: Line, colour: str, dash: object, chart: Chart) -> None:
    steps, values = thin(line.steps, np.where(np.isfinite(line.values), line.values, np.nan))
    if line.low is not None and line.high is not None:
        axes.fill_between(
            line.steps, line.low, line.high, color=colour, alpha=0.18, linewidth=0, zorder=2
        )
        if line.steps.size == 1:
            # A band of one point has no width.
            axes.vlines(
                line.steps, line.low, line.high, color=colour, alpha=0.5, linewidth=3, clip_on=False
            )
    faint = has_trend(chart, line)
    axes.plot(
        steps,
        values,
        color=colour,
        linewidth=0.9 if faint else 1.8,
        linestyle="solid" if faint else dash,
        alpha=0.38 if faint else 1.0,
        zorder=3,
        marker="o" if chart.dots else "",
        markersize=3.4,
    )
    if faint:
        steps, values = trend(line.steps, line.values)
        axes.plot(steps, values, color=colour, linewidth=2, linestyle=dash, zorder=4)
    _draw_lonely(axes, steps, values, colour)
    best = line.steps == chart.best_step
    axes.plot(
        line.steps[best], line.values[best], "*", color=BEST, markersize=13, zorder=6, clip_on=False
    )
    if chart.level is not None:
        axes.axhline(chart.level, color=INK, linewidth=1.2, linestyle=(0, (3, 2)), zorder=2)


def _draw_lonely(axes: Axes, steps: Numbers, values: Numbers, colour: str) -> None:
    """A dot for each value between two gaps: a line through one point cannot be seen."""
    padded = np.concatenate([[np.nan], values, [np.nan]])
    good = np.isfinite(padded)
    lonely = good[1:-1] & ~good[:-2] & ~good[2:]
    axes.plot(
        steps[lonely], values[lonely], "o", color=colour, markersize=4, zorder=4, clip_on=False
    )


def _draw_bad_values(axes: Axes, chart: Chart, span: tuple[float, float]) -> None:
    bad = np.concatenate([line.steps[~np.isfinite(line.values)] for line in chart.lines])
    if bad.size:
        pixel = max(span[1] - span[0], 1.0) / SIZE_PX[0]
        places = np.unique(np.round(bad / (3 * pixel))) * 3 * pixel
        axes.plot(
            places,
            np.full_like(places, 0.03),
            "x",
            color=ALARM,
            markersize=5.5,
            markeredgewidth=1.5,
            transform=axes.get_xaxis_transform(),
            clip_on=False,
            zorder=7,
            gid="not-finite",
        )
    if all(not np.isfinite(line.values).any() for line in chart.lines):
        axes.set_yticks([])
        axes.text(0.5, 0.5, "no finite value", color=ALARM, ha="center", transform=axes.transAxes)


def _draw_marks(axes: Axes, marks: Sequence[Mark], span: tuple[float, float]) -> None:
    for alarm, height in ((False, 1.02), (True, 1.095)):
        group = sorted((m for m in marks if m.alarm is alarm), key=lambda mark: mark.step)
        for cluster in _clusters(group, max(span[1] - span[0], 1.0)):
            colour = ALARM if alarm else EVENT
            for step in sorted({mark.step for mark in cluster}):
                axes.axvline(
                    step, color=colour, linewidth=1.3, alpha=0.85, zorder=1.5,
                    linestyle="solid" if alarm else (0, (1.5, 2)),
                )  # fmt: skip
            first, last = cluster[0], cluster[-1]
            axes.text(
                first.step,
                height,
                first.label if first is last else f"{first.label}\N{EN DASH}{last.label}",
                url=first.link,
                transform=axes.get_xaxis_transform(),
                color=colour,
                fontsize=10.5,
                fontweight="bold",
                ha="center",
            )


def _clusters(marks: Sequence[Mark], span: float) -> list[list[Mark]]:
    """Marks so near each other that their labels would touch."""
    clusters: list[list[Mark]] = []
    for mark in marks:
        # A label of two numbers and a dash is wider than one of a number.
        wide = bool(clusters) and len(clusters[-1]) > 1
        if clusters and mark.step - clusters[-1][0].step < (0.09 if wide else 0.06) * span:
            clusters[-1].append(mark)
        else:
            clusters.append([mark])
    return clusters
