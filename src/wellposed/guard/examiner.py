"""From measurements to findings: keeps the evidence, asks the checks, reports each fault once."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from statistics import fmean
from typing import Any

from . import instruments
from .checks import looks
from .evidence import Evidence, Record, Table, Validation
from .findings import Finding
from .finite import TERM
from .rows import Row, Rows


class Examiner:
    """Everything but the non-finite: that has no time to wait and is the guard's own."""

    def __init__(self, watched: instruments.Watched, rows: Rows) -> None:
        self._watched = watched
        self._instruments = instruments.build(watched)
        self.evidence = Evidence(watched.plan, rows.history)
        self._told: set[tuple[str, str]] = set()

    def due(self, step: int) -> bool:
        """Whether `step` is looked at closely."""
        return self._watched.due(step)

    def visit(self, step: int, accepted: bool) -> list[Finding]:
        """Let the instruments read; new findings."""
        found = []
        for each in self._instruments:
            for kind, record in each.visit(step, accepted):
                found += self._note(kind, record)
        return found

    def rows(self, fresh: Sequence[Row]) -> list[Finding]:
        """Judge the rows that were just read; new findings."""
        if not fresh:
            return []
        self.evidence.step, self.evidence.fresh = fresh[-1].step, len(fresh)
        return self._new(looks(self.evidence, "rows"))

    def note(self, kind: str, step: int, table: Table) -> list[Finding]:
        """Take in what the loop handed over; new findings."""
        return self._note(kind, Record(step, table))

    def validation(self, validation: Validation) -> list[Finding]:
        """Take in a validation; new findings."""
        self.evidence.judge(replace(validation, losses=self._losses()))
        return self._new(looks(self.evidence, "validation"))

    def state(self) -> dict[str, Any]:
        """Evidence and what was told, as strict JSON values."""
        return {"evidence": self.evidence.state(), "told": sorted(map(list, self._told))}

    def load(self, state: Mapping[str, Any]) -> None:
        """Take over what `state` returned."""
        self.evidence.load(state["evidence"])
        self._told = {(code, subject) for code, subject in state["told"]}

    def _losses(self) -> dict[str, float]:
        """Mean of every term since the last validation, over the finite rows that are kept."""
        past = self.evidence.validations
        since = past[-1].step if past else -1
        sums: dict[str, list[float]] = {}
        for row in reversed(self.evidence.rows):
            if row.step < since:
                break
            for name, value in row.values.items():
                if name.startswith(TERM) and math.isfinite(value):
                    sums.setdefault(name.removeprefix(TERM), []).append(value)
        return {name: fmean(values) for name, values in sorted(sums.items())}

    def _note(self, kind: str, record: Record) -> list[Finding]:
        self.evidence.add(kind, record)
        return self._new(looks(self.evidence, kind))

    def _new(self, findings: Sequence[Finding]) -> list[Finding]:
        fresh = []
        for finding in findings:
            key = (finding.code, str(finding.evidence.get("subject", "")))
            if key not in self._told:
                self._told.add(key)
                fresh.append(finding)
        return fresh
