"""The command that reads logs of other people's runs: wellposed doctor LOG..."""

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import tyro

from wellposed.cli.options import read_options
from wellposed.doctor.columns import parse_map
from wellposed.doctor.criterion import parse_criterion
from wellposed.doctor.diagnosis import Asked, Diagnosis, diagnose, is_log, prepare_all
from wellposed.doctor.readers import read_log
from wellposed.doctor.run import Run
from wellposed.doctor.table import Table
from wellposed.doctor.together import join
from wellposed.doctor.wording import (
    choosing_text,
    columns_text,
    diagnosis_text,
    heading,
    reading_text,
    summary_text,
)
from wellposed.errors import RecipeError, WellposedError


@dataclass
class Doctor:
    """Read logs of runs and say what can be said after the fact.

    Reads CSV, TSV, Markdown tables, JSON lines (also history.jsonl), TensorBoard event files,
    exports of W&B, and folders of runs. Exit status: 0 nothing above INFO, 1 findings, 2 a log
    that cannot be read.
    """

    logs: tyro.conf.Positional[tuple[Path, ...]]
    """Files or folders, each a run of its own."""
    map: tyro.conf.UseAppendAction[
        Annotated[tuple[str, ...], tyro.conf.arg(metavar="COLUMN=MEANING")]
    ] = ()
    """What a column is, where the guess is wrong: step, epoch, time, loss, term, validation-loss,
    higher, lower (a metric, and its better end), si-sdr, snr, improvement, untreated, level-ratio,
    level-db, output-level, learning-rate, gradient-norm, critic-loss, best, unused."""
    criterion: tyro.conf.UseAppendAction[
        Annotated[tuple[str, ...], tyro.conf.arg(metavar="TEXT")]
    ] = ()
    """What the run was to reach, such as "rms_ratio in 0.9..1.1 from 20K" or "snr >= 0"."""
    select: Annotated[str | None, tyro.conf.arg(metavar="COLUMN")] = None
    """The metric that chose the best checkpoint."""
    minimum: Annotated[float | None, tyro.conf.arg(metavar="NUMBER")] = None
    """Smallest difference of that metric that was meant to count, in its unit."""
    together: bool = False
    """The logs are parts of one run, such as train.csv and val.csv."""
    yes: bool = False
    """Take the guess for the columns without asking."""
    json: bool = False
    """Print JSON for machines."""


def doctor(arguments: list[str]) -> int:
    """Diagnose logs: 0 nothing above INFO, 1 findings, 2 something cannot be read."""
    options = read_options(Doctor, "wellposed doctor", arguments)
    try:
        if not options.logs:
            raise RecipeError("no log given. usage: wellposed doctor LOG...")
        asked = Asked(
            dict(map(parse_map, options.map)),
            tuple(map(parse_criterion, options.criterion)),
            options.select,
            options.minimum,
        )
        tables, refused = _read(options.logs)
        if options.together and tables:
            tables = [join(tables)]
        judged, others = _logs(tables)
        for table in others:
            print(
                f"{table.name}: counts no steps or epochs; not a log, not judged", file=sys.stderr
            )
        runs = _agreed(judged, asked, options) if judged else []
        for run in runs:
            if not run.measures:
                refused = True
                names = ", ".join(run.table.columns)
                said = (
                    f"no column is known for what it is, of {names}; --map COLUMN=MEANING says so"
                )
                print(f"wellposed doctor: {run.table.name}: {said}", file=sys.stderr)
    except WellposedError as error:
        print(f"wellposed doctor: {error}", file=sys.stderr)
        return 2
    diagnoses = [diagnose(run) for run in runs if run.measures]
    _tell(diagnoses, options.json)
    if refused:
        return 2
    return int(any(each.alarmed for each in diagnoses))


def _read(paths: Sequence[Path]) -> tuple[list[Table], bool]:
    """All tables that can be read, and whether a file could not."""
    tables, refused = [], False
    for path in paths:
        try:
            tables += read_log(path)
        except WellposedError as error:
            refused = True
            print(f"wellposed doctor: {error}", file=sys.stderr)
    return tables, refused


def _logs(tables: Sequence[Table]) -> tuple[list[Table], list[Table]]:
    """Those that are logs (or the only one of its file, whatever it is), and the others."""
    count = {each.file or each.name: 0 for each in tables}
    for each in tables:
        count[each.file or each.name] += 1
    logs = [each for each in tables if is_log(each) or count[each.file or each.name] == 1]
    return logs, [each for each in tables if each not in logs]


def _agreed(tables: Sequence[Table], asked: Asked, options: Doctor) -> list[Run]:
    """The runs, once the person at the terminal agrees with what the columns are."""
    if options.json:
        return prepare_all(tables, asked)
    asking = sys.stdin.isatty() and sys.stdout.isatty() and not options.yes
    while True:
        runs = prepare_all(tables, asked)
        for run in runs:
            print("\n".join(filter(None, [heading(run), columns_text(run), choosing_text(run)])))
            print(reading_text(run), end="\n\n" if reading_text(run) else "\n")
        if not asking:
            if not options.yes:
                print(
                    "Nobody was asked whether this guess is right: --map COLUMN=MEANING corrects "
                    "it, --yes accepts it.\n"
                )
            return runs
        answer = _answer()
        if answer is None:
            return runs
        try:
            name, meaning = parse_map(answer)
            prepare_all(tables, replace(asked, told={name: meaning}))
        except WellposedError as error:
            print(error)
        else:
            asked = replace(asked, told={**asked.told, name: meaning})


def _answer() -> str | None:
    """A correction, or None for yes."""
    try:
        text = input("Is this right? Enter for yes, or COLUMN=MEANING: ").strip()
    except EOFError:
        print()
        return None
    return None if text.lower() in ("", "y", "yes") else text


def _tell(diagnoses: Sequence[Diagnosis], as_json: bool) -> None:
    if as_json:
        logs = [each.to_json() for each in diagnoses]
        print(json.dumps({"logs": logs}, indent=2, allow_nan=False))
        return
    for diagnosis in diagnoses:
        if len(diagnoses) > 1:
            print(f"=== {diagnosis.run.table.name}")
        print(diagnosis_text(diagnosis), end="\n\n")
    if diagnoses:
        print(summary_text(diagnoses))
