"""A log as a run: columns with their meanings, rows in the order of training, series of numbers."""

import math
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise

from wellposed.doctor.cells import Cell
from wellposed.doctor.meaning import BETTER, Column, Meaning
from wellposed.doctor.series import Series
from wellposed.doctor.table import Table
from wellposed.guard.plan import Plan

_NO_MEASURE = (Meaning.STEP, Meaning.EPOCH, Meaning.TIME, Meaning.BEST, Meaning.UNUSED)
_FEW_DECIMALS = 8
"""A number that a program did not round needs more, nearly always: 1 in 10^8 does not."""
_MARKS = ("best", "*", "✓", "✔", "★", "yes", "new best", "saved")


@dataclass
class Run:
    """One log, ready to be judged."""

    table: Table
    columns: Mapping[str, Column]
    plan: Plan = field(default_factory=Plan)
    select: str | None = None
    """Column that chose the best checkpoint; None: see `selecting`."""
    minimum: float | None = None
    """Smallest difference of the selecting metric that was meant to be told."""

    @cached_property
    def axis(self) -> str:
        """What `x` counts: step, epoch or row."""
        if self._steps is not None:
            return "step"
        return "epoch" if self._epochs is not None else "row"

    @property
    def measures(self) -> bool:
        """Whether any column is known that says something about training."""
        return any(each.meaning not in _NO_MEASURE for each in self.columns.values())

    @cached_property
    def order(self) -> tuple[int, ...]:
        """Rows of the branch that lived: what a resumed run went back behind is left out."""
        return tuple(row for row in self._chronological if row not in self.abandoned)

    @cached_property
    def abandoned(self) -> frozenset[int]:
        """Rows that a later part of the log goes back behind."""
        left: set[int] = set()
        stack: list[int] = []
        restarts = set(self.restarts)
        for row in self._chronological:
            while row in restarts and stack and self._axis[stack[-1]] >= self._axis[row]:
                left.add(stack.pop())
            stack.append(row)
        return frozenset(left)

    @cached_property
    def restarts(self) -> tuple[int, ...]:
        """Rows at which the axis goes back."""
        rows = self._chronological
        pairs = pairwise(rows)
        return tuple(now for before, now in pairs if self._axis[now] < self._axis[before])

    def x(self, row: int) -> float:
        """Step, epoch or number of a row."""
        return self._axis[row]

    def of(self, *meanings: Meaning) -> list[Series]:
        """All series that mean one of these, most values first."""
        named = [name for name, column in self.columns.items() if column.meaning in meanings]
        series = [each for each in map(self.series, named) if len(each)]
        return sorted(series, key=lambda each: -len(each.finite))

    def series(self, name: str) -> Series:
        """The numbers of a column along the run."""
        cells, column = self.table.columns[name], self.columns[name]
        rows = tuple(row for row in self.order if isinstance(cells[row], float))
        y = tuple(float(cells[row] or 0.0) for row in rows)
        unit = self.table.units.get(name, "") or ("dB" if _says_db(name) else "")
        x = tuple(self._axis[row] for row in rows)
        return Series(name, column.meaning, unit, rows, x, y)

    def rounding(self, name: str) -> float:
        """The largest number that this column would have written as 0."""
        decimals = self.table.decimals.get(name)
        if decimals is None and name not in self.table.digits:
            # Numbers of a program: were all of them rounded before they were written?
            decimals = _common_decimals(self.series(name).finite.y)
        return 0.0 if decimals is None else 0.5 * 10.0**-decimals

    def at(self, name: str, row: int) -> float | None:
        """One number of a column, if it was logged and finite."""
        cell = self.table.columns[name][row]
        return cell if isinstance(cell, float) and math.isfinite(cell) else None

    @cached_property
    def marked(self) -> tuple[int, ...]:
        """Rows that the log itself marks as the best so far."""
        rows = {row for row, note in self.table.remarks.items() if _is_mark(note)}
        for name, column in self.columns.items():
            if column.meaning is Meaning.BEST:
                cells = self.table.columns[name]
                rows |= {row for row, cell in enumerate(cells) if cell == 1.0 or _is_mark(cell)}
        return tuple(row for row in self.order if row in rows)

    @cached_property
    def selecting(self) -> Series | None:
        """The metric that chose the best checkpoint: as said, as the marks fit, or the only one."""
        if self.select is not None:
            return self.series(self.select).finite
        metrics = [each.finite for each in self.of(*BETTER) if len(each.finite)]
        if self.marked:
            fitting = [each for each in metrics if _explains(each, self.marked)]
            return fitting[0] if fitting else None
        losses = [each for each in metrics if each.meaning is Meaning.VALIDATION_LOSS]
        return next(iter(losses or metrics), None)

    @cached_property
    def best_row(self) -> int | None:
        """Row of the best checkpoint: the last one marked, else the best of `selecting`."""
        if self.marked:
            return self.marked[-1]
        metric = self.selecting
        if metric is None:
            return None
        return max(zip(metric.rows, metric.y, strict=True), key=lambda e: e[1] * metric.better)[0]

    def span(self, first_row: int) -> dict[str, float | int]:
        """What was spent from a row to the end: rows, steps (or epochs), hours."""
        rows = self.order[self.order.index(first_row) :]
        within = set(rows)
        spent: dict[str, float | int] = {"rows": len(rows)}
        if self.axis != "row":
            spent[f"{self.axis}s"] = int(self._axis[rows[-1]] - self._axis[first_row])
        for time in self.of(Meaning.TIME):
            seconds = [value for row, value in zip(time.rows, time.y, strict=True) if row in within]
            hours = time.unit == "h" or "hour" in time.name.lower()
            if seconds and seconds[-1] > seconds[0]:
                spent["hours"] = (seconds[-1] - seconds[0]) / (1 if hours else 3600)
                break
        return spent

    def text(self, row: int) -> str:
        """Where a row is, for a person: "step 220000 (run.csv:4)"."""
        return f"{self.axis} {self._axis[row]:.10g} ({self.table.where(row)})"

    @cached_property
    def _chronological(self) -> tuple[int, ...]:
        rows = tuple(range(self.table.rows))
        pairs = list(pairwise(rows))
        falling = all(self._axis[a] >= self._axis[b] for a, b in pairs)
        # Some exports have the newest row first.
        backwards = falling and self._axis[rows[0]] > self._axis[rows[-1]]
        return self._settled(rows[::-1] if backwards else rows)

    def _settled(self, rows: Sequence[int]) -> tuple[int, ...]:
        """Move single rows that came late to their place; two in a row are a new beginning."""
        order: list[int] = []
        highest = -math.inf
        for row, following in zip(rows, [*rows[1:], None], strict=True):
            x = self._axis[row]
            late = x < highest and (following is None or self._axis[following] >= highest)
            place = bisect_right(order, x, key=self._axis.__getitem__) if late else len(order)
            order.insert(place, row)
            # After a new beginning what counts is how far that one has come.
            highest = max(highest, x) if late or x >= highest else x
        return tuple(order)

    @cached_property
    def _axis(self) -> tuple[float, ...]:
        counts = self._steps or self._epochs
        return tuple(counts) if counts else tuple(float(i + 1) for i in range(self.table.rows))

    @cached_property
    def _steps(self) -> list[float] | None:
        steps = self._counted(Meaning.STEP)
        if steps is None or self._epochs is None:
            return steps
        falls = [now < before for before, now in pairwise(steps)]
        later = [before < now for before, now in pairwise(self._epochs)]
        if not any(falls) or any(f and not e for f, e in zip(falls, later, strict=True)):
            return steps
        # Steps that begin anew in every epoch are counted on from the last of the one before.
        offset, counted = 0.0, steps[:1]
        for (before, now), epoch in zip(pairwise(steps), later, strict=True):
            offset += before if epoch and now <= before else 0.0
            counted.append(now + offset)
        self.table.notes.append("steps begin anew in every epoch; here they are counted on")
        return counted

    @cached_property
    def _epochs(self) -> list[float] | None:
        return self._counted(Meaning.EPOCH)

    def _counted(self, meaning: Meaning) -> list[float] | None:
        """The fullest column of a meaning, its gaps filled from before; None if there is none."""
        names = [name for name, column in self.columns.items() if column.meaning is meaning]
        columns = [self.table.columns[name] for name in names]
        counted = [[_count(cell) for cell in column] for column in columns]
        fullest = max(counted, key=lambda c: sum(v is not None for v in c), default=None)
        if fullest is None or not any(value is not None for value in fullest):
            return None
        last = next(value for value in fullest if value is not None)
        filled = []
        for value in fullest:
            last = last if value is None else value
            filled.append(last)
        return filled


def _explains(metric: Series, marked: Sequence[int]) -> bool:
    """Whether the last mark, and every other one, was the best of the metric so far."""
    so_far, best = [], -math.inf
    for row, value in zip(metric.rows, metric.y, strict=True):
        if value * metric.better > best:
            best = value * metric.better
            so_far.append(row)
    return all(row in so_far for row in marked) and so_far[-1:] == list(marked[-1:])


def _count(cell: Cell) -> float | None:
    return cell if isinstance(cell, float) and math.isfinite(cell) else None


def _common_decimals(values: Sequence[float]) -> int | None:
    """Digits after the point that all values make do with; None if some need more than a few."""
    written = [repr(value) for value in values]
    if any("e" in each for each in written):
        return None
    decimals = max((len(each.partition(".")[2]) for each in written), default=17)
    return decimals if decimals <= _FEW_DECIMALS else None


def _is_mark(cell: Cell) -> bool:
    return isinstance(cell, str) and any(
        cell.lower().strip(" ()!←") == mark or (len(mark) > 1 and mark in cell.lower())
        for mark in _MARKS
    )


def _says_db(name: str) -> bool:
    return name.lower().replace(")", "").replace("]", "").endswith("db")
