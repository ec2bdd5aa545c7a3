"""`wellposed explain`: which change of a run removes its symptom, by replay."""

import json
import re
import sys
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from wellposed.cli.options import read_options
from wellposed.engine.explain.budget import UNITS, Budget, Progress
from wellposed.engine.explain.evidence import LEVEL
from wellposed.engine.explain.explaining import Explaining, Say
from wellposed.engine.explain.job import Case
from wellposed.engine.explain.ofrun import (
    case_of,
    chosen,
    from_the_start,
    name_of,
    read_findings,
    write,
)
from wellposed.engine.explain.suspects import suspected, why_none
from wellposed.engine.explain.telling import lines
from wellposed.engine.explain.verdict import Explanation
from wellposed.engine.explain.workers import Doing, doing
from wellposed.engine.launch import system_name
from wellposed.engine.recipe import load
from wellposed.engine.storage.runfolder import RunFolder
from wellposed.engine.system import System
from wellposed.engine.tuning.optional import require_optuna
from wellposed.errors import RecipeError, RunError
from wellposed.guard import Finding
from wellposed.systems import system_type

if TYPE_CHECKING:
    from wellposed.engine.explain.meeting import Meeting


@dataclass
class Explain:
    """Replay a run with one thing changed at a time, and say what removes a finding.

    With --stories: explain every story of a known cause instead, and say whether it was right.
    """

    run: Annotated[tyro.conf.Positional[Path | None], tyro.conf.arg(metavar="[RUN]")] = None
    """Folder of the run. Not with --stories."""
    finding: Annotated[str | None, tyro.conf.arg(metavar="CODE")] = None
    """Code, or CODE@STEP; without it the gravest finding."""
    suspects: Annotated[tuple[str, ...], tyro.conf.arg(metavar="NAME ...")] = ()
    """Names of interventions to try; without them all that can bear on the finding."""
    budget: Annotated[str, tyro.conf.arg(metavar="TIME")] = "10min"
    """Time for all replays: 90s, 10min, 1h. What is undecided then stays so."""
    workers: int = 2
    """Processes side by side; 0 works in this one."""
    share: bool = False
    """Let other machines take replays, by the same command there with --join."""
    join: bool = False
    """Take replays of an explanation that is under way with --share."""
    storage: str | None = None
    """URL of a database for --share and --join, where machines have no folder in common."""
    json: bool = False
    """Print the explanation as JSON instead of text."""
    stories: bool = False
    """Judge the explanations themselves: run the stories."""
    only: tuple[str, ...] = ()
    """Names of stories, with --stories; without it all."""
    seeds: int = 1
    """Seeds of each story, with --stories."""
    quiet: bool = False
    """Tell nothing before the answer."""


def explain(arguments: list[str]) -> int:
    """Explain a run, or judge the stories; 1 if nothing was convicted, or a story went wrong."""
    options = read_options(Explain, "wellposed explain", arguments)
    budget_s = seconds(options.budget)
    if options.workers < 0:
        raise RecipeError(f"--workers {options.workers}: wanted 0 or more processes.")
    if options.stories:
        from wellposed.cli.explain_stories import judge

        return judge(options.only, options.seeds, budget_s, options.workers, as_json=options.json)
    path = _run_folder(options)
    folder = RunFolder.open(path)
    kind = system_type(system_name(folder.recipe))
    finding = chosen(read_findings(folder), options.finding)
    case = case_of(kind, folder, finding)
    system = kind(load(kind.recipe_type, folder.recipe))
    if options.join:
        return _join(case, system, options)
    case = _with_suspects(case, system, finding, options)
    told = _in_two_looks(case, system, finding, options)
    file = write(told, path)
    if options.json:
        print(json.dumps(told.to_json(), indent=1, allow_nan=False))
    else:
        print("\n".join(lines(told)))
        print(f"\nwritten to {file}")
    return 0 if told.convicted else 1


def _run_folder(options: Explain) -> Path:
    """The folder of the run. Raises RecipeError: there is none, or options that clash."""
    if options.share and options.join:
        raise RecipeError("--share and --join: one machine shares its replays, others join it.")
    if options.storage is not None and not (options.share or options.join):
        raise RecipeError("--storage: wanted --share or --join beside it.")
    if options.run is None:
        raise RecipeError("wanted the folder of a run, or --stories: wellposed explain RUN.")
    return options.run


def _in_two_looks(
    case: Case, system: System[Any], finding: Finding, options: Explain
) -> Explanation:
    """Explain from the checkpoint, and from the start if nothing was convicted from there on."""
    budget_s, say = seconds(options.budget), _say(options)
    budget = Budget.of(budget_s)
    # Both looks together convict what does nothing as seldom as one look would.
    level = LEVEL / 2 if case.start else LEVEL
    with _doing(case, system, options, budget) as does:
        reasoning = Explaining(case, does, budget_s, options.workers, say, budget, level)
        told = _told(reasoning, system, finding, options)
        late = case.start > 0 and told.reproduced and not told.convicted
        if late and not budget.over:
            say(f"nothing convicted from step {case.start} on: once more from the start")
            again = replace(reasoning, case=from_the_start(case))
            whole = _told(again, system, finding, options)
            told = whole if whole.reproduced else told
    return told


def _told(
    reasoning: Explaining, system: System[Any], finding: Finding, options: Explain
) -> Explanation:
    names = _names(reasoning.case, system, finding, options)
    return reasoning.explain(name_of(finding), finding.title, names)


def _names(case: Case, system: System[Any], finding: Finding, options: Explain) -> tuple[str, ...]:
    found = suspected(system, case.symptom, finding.step, case.start)
    return options.suspects or tuple(each.name for each in found)


def _with_suspects(case: Case, system: System[Any], finding: Finding, options: Explain) -> Case:
    """The case, from the start if nothing can be tried from its checkpoint.

    Raises RunError: nothing that can be changed bears on the finding.
    """
    for each in (case, from_the_start(case)):
        if _names(each, system, finding, options):
            return each
    why = why_none(case.symptom.codes) or "its recipe has nothing left to change for it"
    raise RunError(
        f"{name_of(finding)}: no replay can tell: {why}. `wellposed rule {finding.code}` says "
        "what to look at; --suspects tries what you name."
    )


def _doing(
    case: Case, system: System[Any], options: Explain, budget: Budget
) -> AbstractContextManager[Doing]:
    progress = Progress(_say(options), budget)
    if not options.share:
        return doing(options.workers, budget, progress)
    meeting = _meeting(case, system, options)
    from wellposed.engine.explain.machines import leading

    return leading(meeting, options.workers, budget, progress)


def _join(case: Case, system: System[Any], options: Explain) -> int:
    meeting = _meeting(case, system, options)
    from wellposed.engine.explain.machines import take_part

    take_part(meeting, options.workers, _say(options))
    return 0


def _meeting(case: Case, system: System[Any], options: Explain) -> "Meeting":
    require_optuna()
    # Imported here, as above: it imports Optuna, which is optional.
    from wellposed.engine.explain.meeting import Meeting

    assert options.run is not None  # `explain` has asked for it
    return Meeting(options.run, case, system.data_digest, options.storage)


def _say(options: Explain) -> Say:
    if options.quiet or options.json:
        return lambda line: None
    return lambda line: print(f"  {line}", file=sys.stderr, flush=True)


def seconds(text: str) -> float:
    """Read a time such as 90s, 10min or 1h. Raises RecipeError: it is none."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(s|min|h)", text.strip())
    if found is None or float(found[1]) == 0:
        raise RecipeError(f"--budget {text}: wanted a time above 0 such as 90s, 10min or 1h.")
    return float(found[1]) * UNITS[found[2]]
