"""NaN that only means "not logged in this row", as tables write it that were joined from two.

The rule [E]: two columns take turns, one is a number exactly where the other is NaN, and they
change places at least three times. A loss that turns NaN for good changes once.
"""

import math
from collections.abc import Sequence
from itertools import pairwise

from wellposed.doctor.cells import Cell
from wellposed.doctor.table import Table

_TURNS = 3


def empty_blanks(table: Table) -> None:
    """Replace NaN by nothing in columns that take turns, and note it."""
    masks = {name: _mask(column) for name, column in table.columns.items()}
    sparse = {name: mask for name, mask in masks.items() if mask and _turns(mask) >= _TURNS}
    found = [
        name
        for name, mask in sparse.items()
        if any(_takes_turns(mask, other) for key, other in sparse.items() if key != name)
    ]
    for name in found:
        table.columns[name] = [
            None if isinstance(cell, float) and math.isnan(cell) else cell
            for cell in table.columns[name]
        ]
    if found:
        names = ", ".join(found)
        table.notes.append(f"NaN read as not logged, since they take turns: {names}")


def _mask(column: Sequence[Cell]) -> tuple[bool, ...] | None:
    """Where there is a number; None for a column that has cells of other kinds, or no NaN."""
    if not all(isinstance(cell, float) for cell in column):
        return None
    mask = tuple(isinstance(cell, float) and not math.isnan(cell) for cell in column)
    return mask if not all(mask) else None


def _turns(mask: Sequence[bool]) -> int:
    return sum(a != b for a, b in pairwise(mask))


def _takes_turns(one: Sequence[bool], other: Sequence[bool]) -> bool:
    """Never both a number, and each is one wherever the other has begun and is none."""
    return not any(a and b for a, b in zip(one, other, strict=True)) and all(
        a or b for a, b in zip(one, other, strict=True)
    )
