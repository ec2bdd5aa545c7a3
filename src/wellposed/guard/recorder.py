"""Where the guard puts its alarms: a bounded number of folders, each complete in itself."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from .blackbox import save_batch
from .findings import Finding
from .rows import Row


class FlightRecorder:
    """Saves bad steps under `folder` (say `RUN/alarms`).

    The first `keep` alarms are saved, since what follows is mostly their consequence.
    `weights=False` leaves the weights out, where a checkpoint has them.
    """

    def __init__(
        self, folder: str | os.PathLike[str], *, keep: int = 8, weights: bool = True
    ) -> None:
        self.folder = Path(folder)
        self.keep = keep
        self.weights = weights

    def save(
        self, finding: Finding, contents: Mapping[str, Any], rows: Sequence[Row]
    ) -> dict[str, str]:
        """Evidence that says where the alarm lies, or why it could not be saved."""
        try:
            if sum(1 for _ in self.folder.glob("step-*")) >= self.keep:
                return {"not_saved": f"{self.keep} alarms are in {self.folder} already"}
            return {"saved": str(save_batch(self.folder, finding.step, contents, rows, finding))}
        except OSError as error:
            # A full disk must not end a run that the guard has just saved.
            return {"not_saved": str(error)}
