"""The rows of the last steps: waiting on the device, then read together into a history.

Reading is the only time the host waits for the device. The history keeps a bounded number
of rows, so that an alarm can show what went before it.
"""

import statistics
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from .finite import TERM, columns

HISTORY = 512
TREND = 32
"""Rows that the trend of the gradient norm looks back."""


@dataclass(frozen=True)
class Row:
    """What was measured at one step, on the host."""

    step: int
    values: Mapping[str, float]

    @property
    def loss(self) -> float:
        """Sum of all terms."""
        return sum(value for key, value in self.values.items() if key.startswith(TERM))

    @property
    def terms_finite(self) -> bool:
        """Whether every term was finite."""
        return self.values["terms_finite"] > 0

    @property
    def gradients_finite(self) -> bool:
        """Whether the gradient norm was finite."""
        return self.values["gradients_finite"] > 0

    @property
    def healthy(self) -> bool:
        """Whether the step could be taken."""
        return self.terms_finite and self.gradients_finite


class Rows:
    """A ring on the device in front of a history on the host."""

    def __init__(self, read_every: int) -> None:
        self._every = read_every
        self._names: tuple[str, ...] = ()
        self._steps: list[int] = []
        self._ring: Tensor | None = None
        self.history: deque[Row] = deque(maxlen=HISTORY)

    def add(self, step: int, terms: Sequence[str], row: Tensor) -> list[Row]:
        """Keep one row; every N rows, or when the terms change, returns those read."""
        names = columns(terms)
        read = self.read() if names != self._names else []
        if self._ring is None or names != self._names or self._ring.device != row.device:
            self._names = names
            self._ring = torch.empty(self._every, len(names), device=row.device)
        self._ring[len(self._steps)].copy_(row)
        self._steps.append(step)
        return read + (self.read() if len(self._steps) == self._every else [])

    def read(self) -> list[Row]:
        """Move all waiting rows into the history and return them (waits for the device)."""
        if self._ring is None or not self._steps:
            return []
        numbers = self._ring[: len(self._steps)].tolist()
        rows = [
            Row(step, dict(zip(self._names, values, strict=True)))
            for step, values in zip(self._steps, numbers, strict=True)
        ]
        self._steps.clear()
        self.history.extend(rows)
        return rows

    def trend(self, before: Row) -> dict[str, float | int]:
        """What the last healthy rows before a bad one looked like."""
        healthy = [row for row in self.history if row is not before and row.healthy]
        healthy = [row for row in healthy if row.step <= before.step][-TREND:]
        if not healthy:
            return {}
        norms = [row.values["gradient_norm"] for row in healthy]
        return {
            "last_finite_step": healthy[-1].step,
            "last_finite_loss": healthy[-1].loss,
            "last_gradient_norm": norms[-1],
            f"median_gradient_norm_of_{len(norms)}": statistics.median(norms),
        }

    def state(self) -> list[dict[str, Any]]:
        """The history as tensors and JSON values, grouped by runs of equal columns."""
        groups: list[dict[str, Any]] = []
        for row in self.history:
            columns = list(row.values)
            if not groups or groups[-1]["columns"] != columns:
                groups.append({"columns": columns, "steps": [], "rows": []})
            groups[-1]["steps"].append(row.step)
            groups[-1]["rows"].append(list(row.values.values()))
        return [{**each, "rows": torch.tensor(each["rows"])} for each in groups]

    def load(self, state: Sequence[Mapping[str, Any]]) -> None:
        """Take over what `state` returned; waiting rows are forgotten."""
        self._steps.clear()
        self.history.clear()
        for group in state:
            for step, values in zip(group["steps"], group["rows"].tolist(), strict=True):
                self.history.append(Row(step, dict(zip(group["columns"], values, strict=True))))
