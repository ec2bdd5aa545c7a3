"""What a tracker was told whose rows cannot be taken back, so that nothing is told twice."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any


class Memory:
    """Last step of every kind of row, and all texts; kept in a file if there is one.

    The kind of a value is its name up to the first slash: at one step a run tells a row of training
    and, later, one of validation.
    """

    def __init__(self, path: Path | None = None) -> None:
        """Take up what the file holds. Raises ValueError: it is damaged."""
        self._path = path
        self._last: dict[str, int] = {}
        self._texts: list[list[Any]] = []
        if path is not None and path.exists():
            try:
                held = json.loads(path.read_text(encoding="utf-8"))
                self._last, self._texts = dict(held["last"]), list(held["texts"])
            except (ValueError, KeyError, TypeError) as error:
                raise ValueError(
                    f"{path}: cannot be read ({error}); without it the tracker is told all again"
                ) from error
        self._before = dict(self._last)

    def new(self, step: int, values: Mapping[str, float]) -> dict[str, float]:
        """Values that were not told before the run went back, or before this process."""
        return {k: v for k, v in values.items() if step > self._before.get(_kind(k), -1)}

    def told(self, step: int, values: Mapping[str, float]) -> None:
        """Remember that these were told."""
        self._last |= {_kind(name): step for name in values}
        self._write()

    def text(self, step: int, name: str, text: str) -> list[list[Any]]:
        """Add a text; all there are."""
        self._texts.append([step, name, text])
        self._write()
        return self._texts

    def rewind(self, step: int) -> None:
        """Go on after `step`: texts of later steps are gone, rows were told all the same."""
        self._texts = [row for row in self._texts if row[0] <= step]
        self._before = dict(self._last)
        self._write()

    def _write(self) -> None:
        if self._path is None:
            return
        self._path.parent.mkdir(parents=True, exist_ok=True)
        beside = self._path.with_name(f".{self._path.name}.wellposed-tmp")
        beside.write_text(json.dumps({"last": self._last, "texts": self._texts}), encoding="utf-8")
        os.replace(beside, self._path)


def _kind(name: str) -> str:
    return name.partition("/")[0]
