"""From a table to a diagnosis: the findings, most severe first, and what could not be judged."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from difflib import get_close_matches
from typing import Any

from wellposed.doctor.blanks import empty_blanks
from wellposed.doctor.checks import all_checks
from wellposed.doctor.columns import columns_of, find_column
from wellposed.doctor.meaning import Meaning
from wellposed.doctor.run import Run
from wellposed.doctor.table import Table
from wellposed.errors import RecipeError
from wellposed.guard.findings import Finding, Severity, spoken
from wellposed.guard.plan import Criterion, Plan

_ORDER = (Severity.FAIL, Severity.WARN, Severity.INFO)


@dataclass(frozen=True)
class Asked:
    """What a person said beside the log."""

    told: Mapping[str, Meaning] = field(default_factory=dict)
    """Meanings by column."""
    criteria: tuple[Criterion, ...] = ()
    select: str | None = None
    minimum: float | None = None


@dataclass(frozen=True)
class Diagnosis:
    """What can be said of one log."""

    run: Run
    findings: tuple[Finding, ...]
    unjudged: tuple[tuple[str, str], ...]
    """Question and what was missing to answer it."""

    @property
    def alarmed(self) -> bool:
        """Whether anything is above INFO."""
        return any(each.severity is not Severity.INFO for each in self.findings)

    def to_json(self) -> dict[str, Any]:
        """Everything as values that strict JSON can hold."""
        run = self.run
        return {
            "log": run.table.name,
            "rows": run.table.rows,
            "axis": run.axis,
            "columns": [{**asdict(each), "meaning": each.meaning} for each in run.columns.values()],
            "selecting": run.selecting.name if run.selecting else None,
            "problems": [asdict(each) for each in run.table.problems],
            "notes": run.table.notes,
            "findings": [
                {
                    **asdict(each),
                    "evidence": {key: spoken(value) for key, value in each.evidence.items()},
                    "page": each.page,
                }
                for each in self.findings
            ],
            "not_judged": [{"question": q, "missing": m} for q, m in self.unjudged],
        }


def is_log(table: Table) -> bool:
    """Whether a table counts something and measures something."""
    run = Run(table, columns_of(table, {}))
    return run.axis != "row" and run.measures


def prepare(table: Table, asked: Asked) -> Run:
    """A table with its meanings settled. Raises RecipeError: a column that it does not have."""
    return prepare_all([table], asked)[0]


def prepare_all(tables: Sequence[Table], asked: Asked) -> list[Run]:
    """All tables with their meanings settled; each takes of `asked` what names its columns.

    Raises RecipeError: a column that no table has, or a selecting one without a better end.
    """
    wanted = [*asked.told, *(c.metric for c in asked.criteria)]
    for name in [*wanted, asked.select] if asked.select else wanted:
        if not any(find_column(table, name) for table in tables):
            names = dict.fromkeys(each for table in tables for each in table.columns)
            near = get_close_matches(name, names, n=1)
            hint = f", did you mean {near[0]!r}?" if near else f"; there are {', '.join(names)}."
            raise RecipeError(f"no log has a column {name!r}{hint}")
    return [_prepared(table, asked) for table in tables]


def _prepared(table: Table, asked: Asked) -> Run:
    # A copy as deep as what is changed: the table can be prepared again with other meanings.
    table = replace(
        table, columns=dict(table.columns), units=dict(table.units), notes=list(table.notes)
    )
    empty_blanks(table)
    told = {
        found: meaning
        for name, meaning in asked.told.items()
        if (found := find_column(table, name))
    }
    criteria = tuple(
        replace(each, metric=found)
        for each in asked.criteria
        if (found := find_column(table, each.metric))
    )
    select = find_column(table, asked.select) if asked.select else None
    run = Run(table, columns_of(table, told), Plan(criteria=criteria), select, asked.minimum)
    if select and not run.columns[select].meaning.better:
        raise RecipeError(
            f"--select {select}: it is not known which end of it is better; say "
            f"--map '{select}=higher' or '{select}=lower'."
        )
    return run


def diagnose(run: Run) -> Diagnosis:
    """Ask every question of a log."""
    findings: list[Finding] = []
    unjudged = []
    for check in all_checks():
        judged = check.judge(run)
        findings += judged.findings
        if judged.missing:
            unjudged.append((check.question, judged.missing))
    findings.sort(key=lambda each: (_ORDER.index(each.severity), each.code))
    return Diagnosis(run, tuple(findings), tuple(unjudged))
