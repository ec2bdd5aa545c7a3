"""JSON: one object a line, a list of objects, an object of lists, or a history of our own.

Nested objects become columns `outer/inner`. Rows of our own history (`kind` is train, validation
or event) become `train/...` and `validation/...`, the latter with the mean of each metric.
"""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from wellposed.doctor.cells import Cell, read_cell
from wellposed.doctor.table import Problem, Table, from_records
from wellposed.errors import DataError

_SHOWN = 60
Numbered = list[tuple[int, Mapping[str, Any]]]


def read_objects(text: str, path: Path) -> list[Table]:
    """The table of a JSON file. Raises DataError: JSON, but no rows in it."""
    problems: list[Problem] = []
    rows = _document(text, path)
    if rows is None:
        rows = list(_lines(text, path, problems))
    skipped: set[str] = set()
    table = from_records(
        str(path), [(line, dict(_flat(row, skipped))) for line, row in rows], str(path)
    )
    table.problems[:0] = problems
    if skipped:
        table.notes.append(f"no numbers, not used: {', '.join(sorted(skipped))}")
    return [table]


def _document(text: str, path: Path) -> Numbered | None:
    """The rows of a file that is one JSON value; None where it is not."""
    try:
        value = json.loads(text)
    except ValueError:
        return None
    if isinstance(value, dict):
        inner = [each for each in value.values() if isinstance(each, list) and each]
        lists = [each for each in inner if isinstance(each[0], dict)]
        if lists:
            value = max(lists, key=len)
        elif inner and len(inner) == len(value):
            # A dict of columns, as pandas and Keras write them.
            width = max(map(len, inner))
            value = [
                {key: column[i] if i < len(column) else None for key, column in value.items()}
                for i in range(width)
            ]
        else:
            return [(1, value)]
    if not isinstance(value, list) or not all(isinstance(each, dict) for each in value):
        raise DataError(f"{path}: found JSON, wanted a list of objects, one a row.")
    return list(enumerate(value, start=1))


def _lines(text: str, path: Path, problems: list[Problem]) -> Iterator[tuple[int, dict[str, Any]]]:
    # Not splitlines: U+2028 within a string of JSON ends no line.
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError as error:
            row = str(error)
        if isinstance(row, dict):
            yield number, row
        else:
            what = f"{line.strip()[:_SHOWN]!r} is no JSON object; the line is not used"
            problems.append(Problem(f"{path}:{number}", what))


def _flat(row: Mapping[str, Any], skipped: set[str]) -> Iterator[tuple[str, Cell]]:
    kind = row.get("kind")
    if kind == "train" and isinstance(row.get("values"), dict):
        row = {**row, "train": row["values"]}
        row.pop("values")
    if kind == "validation" and isinstance(row.get("metrics"), dict):
        row = {**row, "validation": row["metrics"]}
        row.pop("metrics")
    for name, value in row.items():
        yield from _cells(name, value, skipped)


def _cells(name: str, value: Any, skipped: set[str]) -> Iterator[tuple[str, Cell]]:
    if isinstance(value, Mapping):
        if "_type" in value:
            skipped.add(name)
            return
        for key, inner in value.items():
            # A mean goes by the name of its metric; what stands beside it keeps its own.
            deeper = name if key == "mean" and "n" in value else f"{name}/{key}"
            yield from _cells(deeper, inner, skipped)
    elif isinstance(value, Sequence) and not isinstance(value, str):
        skipped.add(name)
    else:
        yield name, _cell(value)


def _cell(value: Any) -> Cell:
    if isinstance(value, str):
        return read_cell(value).value
    if value is None:
        return None
    try:
        return float(value)
    except OverflowError:
        return math.copysign(math.inf, value)
