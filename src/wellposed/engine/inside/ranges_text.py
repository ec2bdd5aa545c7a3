"""The tables of `ranges` for people, and as JSON values."""

import math
from collections.abc import Callable, Sequence
from typing import Any

from wellposed.engine.inside.clamp_effects import Effect
from wellposed.engine.inside.ranges import FAR, SHARES, Observed, PointRange
from wellposed.engine.telling.figures import number
from wellposed.guard.quantiles import ERROR
from wellposed.intervals import FEW, Interval

MOST_POINTS = 5
"""Points named where a clamp bites; JSON has all."""


def ranges_table(seen: Observed, keep: Callable[[str], bool]) -> str:
    """A line per point: quantiles on short sequences, the largest on both, growth."""
    rows = seen.at(keep)
    heads = ["point", *(f"{100 * share:g} %" for share in SHARES), "|max|", "|max| long", "growth"]
    cells = [heads, *(_row(each) for each in rows)]
    lines = columns(cells)
    lines.insert(1, "-" * len(lines[0]))
    grown = [each for each in rows if each.grows]
    lines.append("")
    lines.append(_summary(rows, grown))
    lines += [line for each in rows for line in _not_finite(each)]
    return "\n".join(lines)


def _row(each: PointRange) -> list[str]:
    factor, unit = each.unit
    name = f"{each.point} [{unit}]" if unit else each.point
    values = [number(factor * value) for value in each.short.quantiles(SHARES)]
    largest = [number(abs(factor) * side.largest) for side in (each.short, each.long)]
    return [name, *values, *largest, _ratio(each) + (" *" if each.grows else "")]


def _ratio(each: PointRange) -> str:
    made = each.growth
    if not made.n:
        return "-"
    if math.isnan(made.low):
        return f"{made.mean:.3f}"
    return f"{made.mean:.3f} [{made.low:.3f}, {made.high:.3f}]"


def _summary(rows: Sequence[PointRange], grown: Sequence[PointRange]) -> str:
    known = [each for each in rows if each.growth.n and not math.isnan(each.growth.low)]
    named = ", ".join(each.point for each in grown[:MOST_POINTS])
    more = f" and {len(grown) - MOST_POINTS} more" if len(grown) > MOST_POINTS else ""
    said = f"{len(grown)} of {len(known)} points grow with length" + (
        f" (marked *): {named}{more}." if grown else "."
    )
    highest = max(known, key=lambda each: each.growth.mean, default=None)
    if highest is not None:
        said += f" The largest growth is {_ratio(highest)}, of {highest.point}."
    few = max((each.growth.n for each in rows), default=0)
    return "\n".join(
        [
            said,
            f"growth: {100 * FAR:g} % quantile of the magnitudes, long over short on the same "
            "material, mean of the groups with 95 %",
            "interval; one point in forty that does not grow is above it by chance. Quantiles are "
            f"right within {100 * ERROR:.1g} %.",
            *(
                [f"Too few groups ({few}) for sound intervals: ask for {FEW} or more."]
                * (few < FEW)
            ),
        ]
    )


def _not_finite(each: PointRange) -> list[str]:
    said = []
    for side, sketch in (("short", each.short), ("long", each.long)):
        if sketch.nan or sketch.infinite:
            said.append(
                f"{each.point}: {sketch.nan} NaN and {sketch.infinite} infinite values on "
                f"{side} sequences"
            )
    return said


def effects_text(effects: Sequence[Effect]) -> str:
    """Where each clamp would bite, and what it would change."""
    return "\n\n".join(_effect(each) for each in effects)


def _effect(each: Effect) -> str:
    lines = [f"clamp {each.name}"]
    if each.shares is not None:
        short, long = each.shares
        lines.append(f"  outside: {_percent(short)} of the values, {_percent(long)} on long ones")
        worst = sorted(each.where, key=lambda point: -max(each.where[point]))
        for point in worst[:MOST_POINTS]:
            a, b = each.where[point]
            lines.append(f"    {point}: {_percent(a)}, {_percent(b)}")
        if len(worst) > MOST_POINTS:
            lines.append(f"    and at {len(worst) - MOST_POINTS} more")
    if not each.bites:
        return "\n".join([*lines, "  changes nothing, bit for bit"])
    lines.append(f"  output change: {each.short.text()}; long: {each.long.text()}")
    lines += [f"  {name}: {_change(figure)}" for name, figure in each.figures.items()]
    return "\n".join(lines)


def _change(made: Interval) -> str:
    if not made.n:
        return "undefined"
    ends = "" if math.isnan(made.low) else f" [{number(made.low)}, {number(made.high)}]"
    return f"{'+' if made.mean > 0 else ''}{number(made.mean)}{ends}, n={made.n}"


def _percent(share: float) -> str:
    return "none" if share == 0 else f"{number(100 * share)} %"


def columns(rows: Sequence[Sequence[str]]) -> list[str]:
    """Lines of cells under each other, the first column to the left, the others to the right."""
    widths = [max(len(row[place]) for row in rows) for place in range(len(rows[0]))]
    return [
        "  ".join(
            cell.ljust(width) if place == 0 else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]


def ranges_report(seen: Observed, effects: Sequence[Effect]) -> dict[str, Any]:
    """All of it as JSON values (numbers may be NaN or infinite)."""
    return {
        "quantile_error": ERROR,
        "points": [each.report() for each in seen.points.values()],
        "clamps": [each.report() for each in effects],
    }
