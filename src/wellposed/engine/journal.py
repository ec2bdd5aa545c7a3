"""What a run says and writes down: history, findings, log and terminal, by the leading rank."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor

from wellposed.engine.recipe import Recipe
from wellposed.engine.state import Moving
from wellposed.engine.storage.history import History
from wellposed.engine.storage.runfolder import RunFolder
from wellposed.engine.telling.terminal import Terminal
from wellposed.engine.telling.tracking import open_trackers


class Journal:
    """Collects values between two lines, and knows every place they are written to."""

    def __init__(
        self, folder: RunFolder, recipe: Recipe, leads: bool, log_to: Sequence[str] = ()
    ) -> None:
        """Open the places; a rank that does not lead stays silent.

        `log_to` names trackers that get the same rows and findings.
        """
        self._leads = leads
        self._trackers = open_trackers(log_to, folder, recipe) if leads else []
        self._select = recipe.validation.select
        self._sums: dict[str, Tensor] = {}
        self._counts: dict[str, int] = {}
        self._since = (0.0, 0)
        self._told = 0
        if leads:
            self._history = History(folder.history)
            self._findings = History(folder.findings)
            self._terminal = Terminal(folder.log, recipe.training.steps)

    def collect(self, values: Mapping[str, Tensor]) -> None:
        """Add the values of one step; nothing is read from the device."""
        for name, value in values.items():
            self._sums[name] = self._sums.get(name, 0) + value.detach()
            self._counts[name] = self._counts.get(name, 0) + 1

    def progress(self, moving: Moving, rate: float, batch_size: int) -> None:
        """Write a line and a row: means since the last ones."""
        seconds, step = self._since
        sums, counts = self._sums, self._counts
        self._sums, self._counts, self._since = {}, {}, (moving.seconds, moving.step)
        if not self._leads:
            return
        speed = (moving.step - step) * batch_size / max(moving.seconds - seconds, 1e-9)
        values = {name: float(total) / counts[name] for name, total in sums.items()}
        values |= {"learning_rate": rate, "items_per_s": speed}
        self._history.append(
            {"kind": "train", "step": moving.step, "time_s": moving.seconds, "values": values}
        )
        self._track(moving.step, {f"train/{name}": value for name, value in values.items()})
        self._terminal.progress(moving.step, moving.seconds, values, moving.guard.word())

    def validation(
        self, moving: Moving, table: Mapping[str, Mapping[str, float | int]], best: bool
    ) -> None:
        """Write the scores of a validation; a star marks the new best."""
        if not self._leads:
            return
        self._history.append(
            {
                "kind": "validation",
                "step": moving.step,
                "time_s": moving.seconds,
                "metrics": {name: dict(entry) for name, entry in table.items()},
                "scenes": moving.selection.scenes,
                "best": best,
            }
        )
        self._track(moving.step, {f"valid/{k}": entry["mean"] for k, entry in table.items()})
        # Scores of the untreated input never change; they are for the history and the report.
        own = {name: entry for name, entry in table.items() if not name.startswith("noisy/")}
        self._terminal.validation(moving.step, moving.seconds, own, self._select, best)

    def event(self, moving: Moving, name: str, message: str) -> None:
        """Write that something happened: started, resumed, phase, refused, stopped, finished."""
        if not self._leads:
            return
        self._history.append(
            {
                "kind": "event",
                "step": moving.step,
                "time_s": moving.seconds,
                "event": name,
                "message": message,
            }
        )
        for tracker in self._trackers:
            tracker.text(moving.step, f"events/{name}", message or name)
        self._terminal.message(f"step {moving.step} {name}: {message}", moving.seconds)

    def findings(self, moving: Moving) -> None:
        """Write the guard's findings that were not written yet."""
        if not self._leads:
            return
        for finding in moving.guard.findings[self._told :]:
            self._findings.append(json.loads(finding.to_json()))
            self._terminal.message(finding.text(), moving.seconds)
            for tracker in self._trackers:
                tracker.finding(finding)
        self._told = len(moving.guard.findings)

    def state(self) -> dict[str, Any]:
        """Return what was collected since the last row, for a checkpoint."""
        return {"sums": dict(self._sums), "counts": dict(self._counts)}

    def rewind(self, moving: Moving, state: Mapping[str, Any] | None) -> None:
        """Go on from a checkpoint: forget what an abandoned future wrote after it.

        `state` is of `state`; None (nothing, or a checkpoint of before there was such a state)
        begins a new mean.
        """
        self._sums = dict(state["sums"]) if state else {}
        self._counts = dict(state["counts"]) if state else {}
        self._since, self._told = (moving.seconds, moving.step), len(moving.guard.findings)
        for tracker in self._trackers:
            tracker.rewind(moving.step)
        if self._leads:
            self._history.truncate_after(moving.step)
            # The guard's state holds all findings up to the checkpoint, whatever step they bear.
            self._findings.rewrite(json.loads(each.to_json()) for each in moving.guard.findings)

    def __enter__(self) -> "Journal":
        """Return itself."""
        return self

    def __exit__(self, *raised: object) -> None:
        """End the live line and close the log and the trackers, whatever happened."""
        if self._leads:
            self._terminal.close()
        for tracker in self._trackers:
            tracker.close()

    def _track(self, step: int, values: Mapping[str, float]) -> None:
        for tracker in self._trackers:
            tracker.numbers(step, values)
