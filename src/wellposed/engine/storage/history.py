"""Rows of numbers on disk, one JSON object a line: what a run did, for people and programs.

A line is written by one call, so that a kill can tear only the last one; a torn last line is
dropped when the file is read or written again, and so are the zeros that a power cut can leave
behind it. Any other line that is no JSON object is an error with its number. The JSON is strict:
NaN and infinities are the strings "nan", "inf" and "-inf" in the file, and floats again when read.
"""

import errno
import json
import math
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from wellposed.engine.storage.atomic import explain, replacing
from wellposed.engine.storage.torn import is_torn
from wellposed.errors import RunError

_SPOKEN = {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}


class History:
    """A file of rows that grows at its end; it is open only while a row is written."""

    def __init__(self, path: Path) -> None:
        """Make `path` if it is missing, and cut off a torn last line.

        Raises RunError: the file cannot be written, or has a damaged line; it is left as it is.
        """
        self.path = path
        try:
            with path.open("ab") as file:
                lines = _whole_lines(path.read_bytes())
                _rows(lines, path)
                file.truncate(sum(map(len, lines)))
        except OSError as error:
            raise self._refused(error) from error

    def append(self, row: Mapping[str, Any]) -> None:
        """Write one row. Raises RunError: disk full; the rows before stay whole."""
        line = _line(row)
        try:
            with self.path.open("ab", buffering=0) as file:
                before = file.seek(0, os.SEEK_END)
                if file.write(line) != len(line):
                    # A regular file takes less than all only when there is no room for the rest.
                    file.truncate(before)
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError as error:
            raise self._refused(error) from error

    def truncate_after(self, step: int) -> None:
        """Remove the rows of later steps: a future that a resumed run has left.

        Rows without a step stay. Raises RunError: disk full, not writable, or a damaged line.
        """
        try:
            lines = _whole_lines(self.path.read_bytes())
            rows = _rows(lines, self.path)
            kept = [
                line for line, row in zip(lines, rows, strict=True) if row.get("step", 0) <= step
            ]
            if len(kept) < len(lines):
                with replacing(self.path) as file:
                    file.write(b"".join(kept))
        except OSError as error:
            raise self._refused(error) from error

    def rewrite(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Hold these rows and no others. Raises RunError: disk full or not writable."""
        try:
            with replacing(self.path) as file:
                file.writelines(map(_line, rows))
        except OSError as error:
            raise self._refused(error) from error

    def _refused(self, error: OSError) -> RunError:
        return RunError(f"{self.path}: not written: {explain(error, self.path.parent)}")


def read_history(path: Path) -> list[dict[str, Any]]:
    """Return all whole rows, in order; works while a run still writes.

    Raises RunError: missing, unreadable, or a line that is no JSON object, a torn last one apart.
    """
    try:
        return _rows(_whole_lines(path.read_bytes()), path)
    except OSError as error:
        raise RunError(f"{path}: cannot be read: {error.strerror or error}.") from error


def _whole_lines(data: bytes) -> list[bytes]:
    """Split into lines with their ends, less a torn last one and the zeros of a power cut."""
    lines = data.rstrip(b"\0").splitlines(keepends=True)
    if lines and not lines[-1].endswith(b"\n") and is_torn(lines[-1]):
        lines.pop()
    return lines


def _rows(lines: list[bytes], path: Path) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for number, line in enumerate(lines, start=1):
        row = _row(line)
        if row is None:
            raise RunError(
                f"{path}, line {number}: found {line[:40]!r}, wanted a JSON object. "
                "The file was damaged or edited; remove that line to go on without it."
            )
        rows.append(row)
    return rows


def _row(line: bytes) -> dict[str, Any] | None:
    try:
        row = _heard(json.loads(line))
    except ValueError:
        return None
    return row if isinstance(row, dict) else None


def _line(row: Mapping[str, Any]) -> bytes:
    return json.dumps(_spoken(row), allow_nan=False, separators=(",", ":")).encode() + b"\n"


def _spoken(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return str(float(value))
    if isinstance(value, Mapping):
        return {key: _spoken(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_spoken(item) for item in value]
    return value


def _heard(value: Any) -> Any:
    if isinstance(value, str):
        return _SPOKEN.get(value, value)
    if isinstance(value, dict):
        return {key: _heard(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_heard(item) for item in value]
    return value
