"""Every column of a table gets one meaning: by name, by what its values allow, or as told."""

import math
from collections.abc import Mapping, Sequence
from difflib import get_close_matches

from wellposed.doctor.meaning import Column, Meaning, guess, spelled
from wellposed.doctor.table import Table
from wellposed.errors import RecipeError

_TEXT_MAY_BE = (Meaning.BEST,)


def columns_of(table: Table, told: Mapping[str, Meaning]) -> dict[str, Column]:
    """The meaning of every column; `told` (names of this table) overrides every guess."""
    columns = {name: _seen(table, guess(name)) for name in table.columns}
    columns = _alone(columns, Meaning.LOSS, Meaning.TERM, "a part of a loss")
    columns = _alone(columns, Meaning.VALIDATION_LOSS, Meaning.UNUSED, _PART_OF_VALIDATION)
    for name, meaning in told.items():
        columns[name] = Column(name, meaning, "you said so")
    for column in columns.values():
        if column.meaning is Meaning.LEVEL_RATIO and column.name not in told:
            _percent(table, column.name)
    return columns


def parse_map(text: str) -> tuple[str, Meaning]:
    """A column's name and meaning from `COLUMN=MEANING`. Raises RecipeError: not like that."""
    name, equals, meaning = (part.strip() for part in text.rpartition("="))
    words = [each.value for each in Meaning]
    if not equals or not name:
        raise RecipeError(f"found {text!r}, wanted COLUMN=MEANING with one of {', '.join(words)}.")
    if meaning.lower() not in words:
        near = get_close_matches(meaning.lower(), words, n=1)
        hint = f", did you mean {near[0]}?" if near else f"; there are {', '.join(words)}."
        raise RecipeError(f"{text}: unknown meaning {meaning!r}{hint}")
    return name, Meaning(meaning.lower())


def find_column(table: Table, wanted: str) -> str | None:
    """The column that is called so, or whose words are the same, or that alone ends like it."""
    if wanted in table.columns:
        return wanted
    words = spelled(wanted)
    for alike in (
        [name for name in table.columns if spelled(name) == words],
        [name for name in table.columns if spelled(name).endswith(f" {words}")],
    ):
        if len(alike) == 1:
            return alike[0]
    return None


def _seen(table: Table, column: Column) -> Column:
    """The guess, less what the values forbid."""
    cells = [cell for cell in table.columns[column.name] if cell is not None]
    numbers = [cell for cell in cells if isinstance(cell, float)]
    if not numbers and column.meaning not in (*_TEXT_MAY_BE, Meaning.UNUSED):
        return Column(column.name, Meaning.UNUSED, f"{column.why}, but holds no numbers")
    if not numbers and column.meaning is Meaning.UNUSED:
        return Column(column.name, Meaning.UNUSED, "text" if cells else "empty")
    finite = [value for value in numbers if math.isfinite(value)]
    if column.meaning in (Meaning.STEP, Meaning.EPOCH) and not _counts(column.meaning, finite):
        return Column(column.name, Meaning.UNUSED, f"{column.why}, but its values do not count")
    if column.meaning is Meaning.LEVEL_RATIO:
        return _level(table, column, finite)
    if column.meaning is Meaning.RATE and min(finite, default=0.0) < 0:
        return Column(column.name, Meaning.UNUSED, f"{column.why}, but is negative")
    return column


def _level(table: Table, column: Column, finite: Sequence[float]) -> Column:
    unit = table.units.get(column.name, "")
    if unit.lower() == "db" or min(finite, default=0.0) < 0:
        why = f"{column.why}, in dB" if unit else f"{column.why}; negative, so in dB"
        return Column(column.name, Meaning.LEVEL_DB, why)
    return column


def _percent(table: Table, name: str) -> None:
    """Turn percent into ratios."""
    if table.units.get(name) == "%" or "percent" in spelled(name).split():
        cells = table.columns[name]
        table.columns[name] = [c / 100 if isinstance(c, float) else c for c in cells]
        table.units[name] = ""
        table.notes.append(f"{name}: percent, read as ratios")


def _counts(meaning: Meaning, finite: Sequence[float]) -> bool:
    whole = meaning is Meaning.EPOCH or all(value == int(value) for value in finite)
    return bool(finite) and whole and min(finite) >= 0


def _alone(
    columns: dict[str, Column], wanted: Meaning, instead: Meaning, why: str
) -> dict[str, Column]:
    """Promote the only column that could be meant, where nothing else is."""
    could = [each for each in columns.values() if each.meaning is instead and each.why == why]
    if len(could) != 1 or any(each.meaning is wanted for each in columns.values()):
        return columns
    only = could[0]
    return {**columns, only.name: Column(only.name, wanted, f"{why}, and the only one")}


_PART_OF_VALIDATION = "a part of the validation loss"
