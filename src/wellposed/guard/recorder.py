"""Where the guard puts its alarms: a bounded number of folders, each complete in itself.

step-00000123/            a step that was not finite: tensors, weights, rows (`blackbox.py`)
finding-00000123-WP311/   any other finding above INFO, without tensors:
    finding.json          the finding
    rows.json             the rows of the last steps, each with the names of its items
"""

import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import count
from pathlib import Path
from typing import Any

from .blackbox import save_batch
from .findings import Finding, spoken
from .rows import Row


class FlightRecorder:
    """Saves bad steps and findings under `folder` (say `RUN/alarms`).

    The first `keep` bad steps are saved, since what follows is mostly their consequence, and
    `keep_findings` others. `weights=False` leaves the weights out, where a checkpoint has
    them. `keys` gives the names of the items in the batch of a step, as JSON values: where data
    is a function of them, they stand for the data.
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        *,
        keep: int = 8,
        keep_findings: int = 32,
        weights: bool = True,
        keys: Callable[[int], Any] | None = None,
    ) -> None:
        self.folder = Path(folder)
        self.keep = keep
        self.keep_findings = keep_findings
        self.weights = weights
        self._keys = keys

    def save(
        self, finding: Finding, contents: Mapping[str, Any], rows: Sequence[Row]
    ) -> dict[str, str]:
        """Evidence that says where the bad step lies, or why it could not be saved."""
        try:
            if sum(1 for _ in self.folder.glob("step-*")) >= self.keep:
                return {"not_saved": f"{self.keep} alarms are in {self.folder} already"}
            if self._keys is not None:
                steps = dict.fromkeys([*(row.step for row in rows), finding.step])
                keys = {str(step): self._keys(step) for step in steps}
                contents = {**contents, "keys": keys}
            return {"saved": str(save_batch(self.folder, finding.step, contents, rows, finding))}
        except OSError as error:
            # A full disk must not end a run that the guard has just saved.
            return {"not_saved": str(error)}

    def note(self, finding: Finding, rows: Sequence[Row]) -> dict[str, str]:
        """Evidence that says where the record of a finding lies, or why there is none.

        A run that is resumed comes to the same finding again; it keeps its place.
        """
        text = finding.to_json() + "\n"
        try:
            for place in self._places(finding):
                if not place.exists():
                    break
                if (place / "finding.json").read_text() == text:
                    return {"saved": str(place)}
            if sum(1 for _ in self.folder.glob("finding-*")) >= self.keep_findings:
                return {"not_saved": f"{self.keep_findings} findings are in {self.folder} already"}
            self._write(place, text, rows)
            return {"saved": str(place)}
        except OSError as error:
            return {"not_saved": str(error)}

    def _places(self, finding: Finding) -> Iterator[Path]:
        name = f"finding-{finding.step:08d}-{finding.code}"
        yield self.folder / name
        yield from (self.folder / f"{name}-{number}" for number in count(2))

    def _write(self, place: Path, text: str, rows: Sequence[Row]) -> None:
        unfinished = place.with_name(f".{place.name}.{os.getpid()}")
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(parents=True)
        try:
            (unfinished / "finding.json").write_text(text)
            listed = [self._row(row) for row in rows]
            (unfinished / "rows.json").write_text(json.dumps(listed, allow_nan=False) + "\n")
            unfinished.rename(place)
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)

    def _row(self, row: Row) -> dict[str, Any]:
        values = {name: spoken(value) for name, value in row.values.items()}
        known = {} if self._keys is None else {"keys": self._keys(row.step)}
        return {"step": row.step, **known, "values": values}
