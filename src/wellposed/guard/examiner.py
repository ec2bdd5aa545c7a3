"""From measurements to findings: keeps the evidence, asks the checks, reports each fault once."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from statistics import fmean
from typing import Any

from . import instruments
from .checks import looks
from .evidence import Evidence, Record, Table, Validation, spoken_tree
from .findings import Finding, Severity, heard
from .finite import TERM
from .instruments import Remembering, Taker
from .instruments.modes import Modes
from .rows import Row, Rows

_RANKS = tuple(Severity)


class Examiner:
    """Everything but the non-finite: that has no time to wait and is the guard's own."""

    def __init__(self, watched: instruments.Watched, rows: Rows) -> None:
        self._watched = watched
        self._instruments = instruments.build(watched)
        self.evidence = Evidence(watched.plan, rows.history)
        self._takers = {each.kind: each for each in self._instruments if isinstance(each, Taker)}
        self._told: dict[tuple[str, str], Severity] = {}

    def due(self, step: int) -> bool:
        """Whether `step` is looked at closely."""
        return self._watched.due(step)

    def visit(self, step: int, accepted: bool) -> list[Finding]:
        """Let the instruments read; new findings."""
        return [
            finding
            for each in self._instruments
            for finding in self._noted(each.visit(step, accepted))
        ]

    def take(self, kind: str, step: int, *what: Any) -> list[Finding]:
        """Give the instrument of a kind what the loop hands over; new findings."""
        return self._noted(self._takers[kind].take(step, *what))

    def read(self) -> list[Finding]:
        """Judge what instruments left waiting on the device; new findings."""
        takers = self._takers.values()
        return [finding for each in takers for finding in self._noted(each.read())]

    def release(self) -> None:
        """Let go of the instruments that hold hooks, which go with them; what was found stays."""
        self._instruments = list[instruments.Instrument](self._takers.values())

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

    def validated_in_training(self) -> list[str]:
        """Networks that were validated in training mode, as far as it makes a difference."""
        modes = (each for each in self._instruments if isinstance(each, Modes))
        return [name for each in modes for name in each.validated_in_training()]

    def state(self) -> dict[str, Any]:
        """Evidence, what was told and what the instruments remember: JSON values and tensors."""
        kept = {_name(each): each.state() for each in self._remembering()}
        return {
            "evidence": self.evidence.state(),
            "told": [[*key, rank.value] for key, rank in sorted(self._told.items())],
            "instruments": spoken_tree(kept),
        }

    def load(self, state: Mapping[str, Any]) -> None:
        """Take over what `state` returned."""
        self.evidence.load(state["evidence"])
        self._told = {(code, subject): Severity(rank) for code, subject, rank in state["told"]}
        kept = heard(state.get("instruments", {}))
        for each in self._remembering():
            if _name(each) in kept:
                each.load(kept[_name(each)])

    def _remembering(self) -> list[Remembering]:
        return [each for each in self._instruments if isinstance(each, Remembering)]

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

    def _noted(self, records: Iterable[tuple[str, Record]]) -> list[Finding]:
        return [finding for kind, record in records for finding in self._note(kind, record)]

    def _note(self, kind: str, record: Record) -> list[Finding]:
        self.evidence.add(kind, record)
        return self._new(looks(self.evidence, kind))

    def _new(self, findings: Sequence[Finding]) -> list[Finding]:
        fresh = []
        for finding in findings:
            key = (finding.code, str(finding.evidence.get("subject", "")))
            told = self._told.get(key)
            # What has become worse is news.
            if told is None or _RANKS.index(finding.severity) > _RANKS.index(told):
                self._told[key] = finding.severity
                fresh.append(finding)
        return fresh


def _name(instrument: Remembering) -> str:
    return type(instrument).__module__.rpartition(".")[2]
