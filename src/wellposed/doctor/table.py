"""A log as a table: columns of cells, where each row stands, and what could not be read."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from wellposed.doctor.cells import Cell, Written, plain_text, read_cell, uses_decimal_comma


@dataclass(frozen=True)
class Problem:
    """Something in a file that is not used, and why."""

    where: str
    """File and line, "run.csv:12"."""
    what: str


@dataclass
class Table:
    """One log. `columns[name][row]` is a number, a text or None (not logged)."""

    name: str
    columns: dict[str, list[Cell]]
    lines: list[int]
    """Line of each row in its file, counted from 1; for binary files the number of the record."""
    file: str = ""
    """The file that the lines are of; the name, where that is it."""
    units: dict[str, str] = field(default_factory=dict)
    digits: dict[str, int] = field(default_factory=dict)
    """Most significant digits that a column was written with; absent: all that a float has."""
    decimals: dict[str, int] = field(default_factory=dict)
    """Digits after the point of columns where every cell has the same number of them."""
    remarks: dict[int, str] = field(default_factory=dict)
    """By row: what was noted beside its numbers, such as "best"."""
    notes: list[str] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    places: list[str] = field(default_factory=list)
    """File and line of each row, where the rows are of several files."""
    bytes: int = 0
    returns: int = 0
    """Carriage returns that overwrite a line: a progress bar wrote here."""

    @property
    def rows(self) -> int:
        """How many rows it has."""
        return len(self.lines)

    @property
    def has_numbers(self) -> bool:
        """Whether any cell is a number."""
        return any(isinstance(cell, float) for cells in self.columns.values() for cell in cells)

    def where(self, row: int) -> str:
        """File and line of a row."""
        return self.places[row] if self.places else f"{self.file or self.name}:{self.lines[row]}"


def from_text(
    name: str, header: Sequence[str], rows: Iterable[tuple[int, Sequence[str]]], file: str = ""
) -> Table:
    """A table of written cells; `rows` are (line, cells), as many cells as the header has.

    A column in which more than half of what was logged are numbers is one of numbers; the rest
    of it becomes problems, named with their lines.
    """
    lines, cells = [], []
    for line, row in rows:
        lines.append(line)
        cells.append(row)
    table = Table(name, {}, lines, file)
    for index, heading in enumerate(_distinct(header, table)):
        _column(table, heading, [row[index] for row in cells])
    return table


def from_records(
    name: str, records: Sequence[tuple[int, Mapping[str, Cell]]], file: str = ""
) -> Table:
    """A table of records (line, column -> cell); what a record lacks was not logged."""
    names = list(dict.fromkeys(key for _, record in records for key in record))
    columns = {key: [record.get(key) for _, record in records] for key in names}
    table = Table(name, columns, [line for line, _ in records], file)
    for key, column in columns.items():
        _settle(table, key, [cell if _is_text(cell) else None for cell in column])
    return table


def _column(table: Table, name: str, texts: Sequence[str]) -> None:
    comma = uses_decimal_comma(texts)
    written = [read_cell(text, comma) for text in texts]
    table.columns[name] = [each.value for each in written]
    if comma:
        table.notes.append(f"{name}: the comma stands before decimals")
    _settle(table, name, [each.value if _is_text(each.value) else None for each in written])
    if any(isinstance(cell, float) for cell in table.columns[name]):
        units = {each.unit for each in written if each.unit}
        if len(units) == 1:
            table.units[name] = units.pop()
        elif units:
            table.notes.append(f"{name}: several units: {', '.join(sorted(units))}")
        table.digits[name] = max(each.digits for each in written)
        _count_decimals(table, name, [each for each in written if _is_finite(each.value)])
        _remember(table, written)


def _count_decimals(table: Table, name: str, written: Sequence[Written]) -> None:
    decimals = [each.decimals for each in written if each.decimals is not None]
    # A program that writes all digits writes 0.001 and 0.0: only "0.000" was rounded.
    if len(set(decimals)) == 1 and len(decimals) == len(written):
        table.decimals[name] = decimals[0]


def _settle(table: Table, name: str, texts: Sequence[Cell]) -> None:
    """Decide whether a column holds numbers; if so, name the cells that do not."""
    column = table.columns[name]
    strange = [row for row, text in enumerate(texts) if text is not None]
    logged = sum(cell is not None for cell in column)
    if 2 * len(strange) >= logged:
        return
    for row in strange:
        what = f"{name}: {str(column[row])[:40]!r} is no number; taken as not logged"
        table.problems.append(Problem(table.where(row), what))
        column[row] = None


def _remember(table: Table, written: Sequence[Written]) -> None:
    for row, each in enumerate(written):
        if each.remark:
            table.remarks[row] = " ".join(filter(None, [table.remarks.get(row), each.remark]))


def _distinct(header: Sequence[str], table: Table) -> list[str]:
    names: list[str] = []
    for index, raw in enumerate(header):
        name = first = plain_text(raw) or f"column {index + 1}"
        count = 1
        while name in names:
            count += 1
            name = f"{first} ({count})"
        if count > 1:
            table.notes.append(f"several columns are called {first}; one of them is {name} here")
        names.append(name)
    return names


def _is_finite(cell: Cell) -> bool:
    return isinstance(cell, float) and math.isfinite(cell)


def _is_text(cell: Cell) -> bool:
    return isinstance(cell, str)
