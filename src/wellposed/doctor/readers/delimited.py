"""CSV, TSV and other tables with a delimiter, among them exports of TensorBoard and W&B.

TensorBoard's `Wall time,Step,Value` gets the name of its file for "Value". W&B's columns
`RUN - KEY` become one table a run; the `__MIN` and `__MAX` beside them stay what they are.
"""

import csv
import io
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from wellposed.doctor.cells import read_cell
from wellposed.doctor.readers.spoken import hint
from wellposed.doctor.table import Problem, Table, from_text
from wellposed.errors import DataError

_LINES_TO_LOOK_AT = 50
_OF_RUN = re.compile(r"(?P<run>.+?) - (?P<key>\S.*)")
_TAG = re.compile(r"(?:.*[-_.]tag-)?(?P<tag>.+)")

Rows = list[tuple[int, list[str]]]


def read_delimited(text: str, path: Path) -> list[Table]:
    """The table of a delimited file, or one for each run in it. Raises DataError: none found."""
    rows = _split(text, _delimiter(text, path))
    if not rows:
        return []
    header, body = rows[0][1], rows[1:]
    if all(isinstance(read_cell(cell).value, float) for cell in header):
        header, body = [f"column {index + 1}" for index in range(len(header))], rows
    problems, notes, kept = _fitting(header, body, path)
    tables = [
        from_text(name, names, [(line, [row[i] for i in chosen]) for line, row in kept], str(path))
        for name, names, chosen in _runs(_named(header, path), path)
    ]
    tables[0].problems[:0] = problems
    tables[0].notes += notes
    return tables


def _delimiter(text: str, path: Path) -> str:
    """The character that splits most of the first lines into one number of fields, two or more."""
    lines = [line for line in text.splitlines() if line.strip() and not _comment(line)]
    lines = lines[:_LINES_TO_LOOK_AT]
    if not lines:
        raise DataError(f"{path}: there is no line in it; give the log of a run that has begun")
    best, fields = "", (0.0, 0)
    for delimiter in ("\t", ";", ",", "|", " "):
        counts = Counter(
            len(row) for _, row in _split("\n".join(lines), delimiter) if len(row) >= 2
        )
        if not counts:
            continue
        width, agreeing = counts.most_common(1)[0]
        # "1,234;5" has commas as well: what splits more lines alike, then into more fields.
        if (score := (agreeing / len(lines), width)) > fields:
            best, fields = delimiter, score
    if not best or fields[0] < 0.5:
        raise DataError(
            f"{path}: no delimiter splits its lines into equal fields. {hint(text)}"
            "Wanted: a table with a header and one row a line, its fields parted by comma, "
            "semicolon, tab or |."
        )
    return best


def _split(text: str, delimiter: str) -> Rows:
    """Line numbers and fields; empty lines and comments are no rows."""
    if delimiter == " ":
        lines = enumerate(text.splitlines(), start=1)
        return [(n, line.split()) for n, line in lines if line.strip() and not _comment(line)]
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, skipinitialspace=True)
    return [
        (reader.line_num, row)
        for row in _rows(reader)
        if any(cell.strip() for cell in row) and not _comment(row[0])
    ]


def _rows(reader: Iterator[list[str]]) -> Iterator[list[str]]:
    try:
        yield from reader
    except csv.Error as error:
        raise DataError(f"not readable as CSV: {error}.") from error


def _comment(line: str) -> bool:
    return line.lstrip().startswith("#")


def _fitting(
    header: Sequence[str], body: Rows, path: Path
) -> tuple[list[Problem], list[str], list[tuple[int, list[str]]]]:
    problems, notes, kept = [], [], []
    for line, row in body:
        # Many a writer ends each line with its delimiter.
        if len(row) == len(header) + 1 and not row[-1].strip():
            row = row[:-1]
        if [cell.strip() for cell in row] == [cell.strip() for cell in header]:
            notes.append(f"line {line}: the header once more; the file was continued there")
        elif len(row) != len(header):
            what = f"{len(row)} fields where the header has {len(header)}; the line is not used"
            problems.append(Problem(f"{path}:{line}", what))
        else:
            kept.append((line, row))
    return problems, notes, kept


def _named(header: Sequence[str], path: Path) -> list[str]:
    names = [name.strip() for name in header]
    if [name.lower() for name in names] == ["wall time", "step", "value"]:
        found = _TAG.fullmatch(path.stem)
        return [names[0], names[1], found["tag"] if found else path.stem]
    return names


def _runs(names: list[str], path: Path) -> Iterator[tuple[str, list[str], list[int]]]:
    """Name, column names and column numbers of each run in a file."""
    found = [_OF_RUN.fullmatch(name) for name in names]
    shared = [index for index, match in enumerate(found) if match is None]
    runs = dict.fromkeys(match["run"] for match in found if match)
    if not runs or len(shared) > 2:
        yield str(path), names, list(range(len(names)))
        return
    for run in runs:
        chosen = [i for i, match in enumerate(found) if match is None or match["run"] == run]
        own = [match["key"] if (match := found[i]) else names[i] for i in chosen]
        yield (f"{path} [{run}]" if len(runs) > 1 else str(path)), own, chosen
