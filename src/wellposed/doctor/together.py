"""Several files of one run, such as train.csv and val.csv, as one table in the order of steps."""

from collections.abc import Sequence
from pathlib import Path

from wellposed.doctor.cells import Cell
from wellposed.doctor.columns import columns_of
from wellposed.doctor.meaning import Meaning
from wellposed.doctor.table import Table
from wellposed.errors import DataError


def join(tables: Sequence[Table]) -> Table:
    """One table with all rows, sorted by step (by epoch where no table has steps).

    A name that several tables have is told apart by its file, unless it counts. Raises DataError:
    a table without the common axis.
    """
    axis = Meaning.STEP if any(_axis(each, Meaning.STEP) for each in tables) else Meaning.EPOCH
    rows: list[tuple[float, int, str, dict[str, Cell]]] = []
    seen = [name for table in tables for name in table.columns]
    joined = Table(" + ".join(each.name for each in tables), {}, [])
    for order, table in enumerate(tables):
        counter = _axis(table, axis)
        if counter is None:
            raise DataError(f"{table.name}: no column of {axis}s; it cannot be put beside others.")
        names = {name: _name(table, name, seen.count(name) > 1) for name in table.columns}
        names[counter] = axis.value
        for key, unit in table.units.items():
            joined.units[names[key]] = unit
        for key, digits in table.digits.items():
            joined.digits[names[key]] = digits
        joined.notes += table.notes
        joined.problems += table.problems
        for key, decimals in table.decimals.items():
            joined.decimals[names[key]] = decimals
        last = 0.0
        for row in range(table.rows):
            cells = {names[key]: column[row] for key, column in table.columns.items()}
            count = cells[axis.value]
            last = count if isinstance(count, float) else last
            rows.append((last, order, table.where(row), {**cells, axis.value: last}))
    rows.sort(key=lambda each: each[:2])
    keys = dict.fromkeys(key for *_, cells in rows for key in cells)
    joined.columns = {key: [cells.get(key) for *_, cells in rows] for key in keys}
    joined.lines = list(range(1, len(rows) + 1))
    joined.places = [place for _, _, place, _ in rows]
    return joined


def _axis(table: Table, axis: Meaning) -> str | None:
    columns = columns_of(table, {})
    return next((name for name, each in columns.items() if each.meaning is axis), None)


def _name(table: Table, name: str, shared: bool) -> str:
    return f"{Path(table.file or table.name).stem}/{name}" if shared else name
