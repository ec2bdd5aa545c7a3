"""`wellposed audit`: ask a loss, or a whole problem, before money is spent on it."""

import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import torch
import tyro

from wellposed.cli.audit_enhance import Question, audit_enhance
from wellposed.cli.audit_extract import audit_extract
from wellposed.cli.audit_locate import audit_locate, audit_recipe
from wellposed.cli.audit_ranges import audit_ranges
from wellposed.cli.audit_run import audit_run
from wellposed.cli.audit_subject import load_subject, real_speech
from wellposed.cli.options import read_options
from wellposed.engine.launch import system_name
from wellposed.engine.recipe import load
from wellposed.errors import RecipeError, WellposedError
from wellposed.guard import Severity
from wellposed.guard.audit import Audit, audit_loss
from wellposed.guard.audit.invariances import DECLARABLE
from wellposed.guard.audit.probes import ITEMS, SAMPLES
from wellposed.guard.audit.problem import Problem, audit_problem
from wellposed.systems import SYSTEMS, recipe_type, system_type
from wellposed.systems.locate.recipe import LocateRecipe

WITH_OBJECTIVE: dict[str, Callable[[Question], Audit]] = {
    "enhance": audit_enhance,
    "extract": audit_extract,
    "locate": audit_locate,
}
"""Systems whose loss and objective are audited besides the problem."""

CANNOT = 2
"""Exit status when nothing could be asked; 1 says that an answer is FAIL."""

USUAL = (RuntimeError, TypeError, ValueError, IndexError, KeyError, AttributeError, AssertionError)
"""What a loss raises when it cannot take what it is given."""


@dataclass
class AuditOptions:
    """Ask a loss what it rewards, where it leads and what it cannot bear; nothing is trained. Or
    ask a problem, with networks and data, whether its run can succeed: a few steps are taken.

    `wellposed audit enhance --ranges --help` is about the values inside a network instead.
    Exit status: 0 no answer is FAIL, 1 one is, 2 nothing could be asked.
    """

    what: Annotated[tyro.conf.Positional[str], tyro.conf.arg(metavar="LOSS|PROBLEM|SYSTEM|RECIPE")]
    """my_module:my_loss, a function of (estimate, reference), a module or its class; or
    my_module:my_problem, a function without arguments that returns a Problem; or a system
    (codec, enhance, extract or locate); or a YAML recipe, such as RUN/recipe.yaml."""
    role: Literal["total", "term"] = "total"
    """Of a loss: total, it is the whole objective; term, other terms stand beside it."""
    domain: Literal["waveform", "spectrum"] = "waveform"
    """Of a loss: what it compares, waveforms (batch, time) or complex spectra (batch, frames,
    bins)."""
    invariances: tuple[str, ...] = ()
    """Of a loss: what it is meant not to notice: gain, offset, polarity, shift, phase, band."""
    data: Path | None = None
    """Corpus whose speech is asked with, instead of synthetic sound."""
    quietest_db: float | None = None
    """Of a loss: level of the quietest estimate in training, relative to the target [dB]; -inf for
    a network whose first output is zero. Without it, that of 16-bit rounding noise."""
    model: str | None = None
    """Of a system: the run, weights file or shipped name whose recipe and outputs are meant."""
    quick: bool = False
    """Of a problem or a system: leave out the questions that take long."""
    seed: int = 0
    """Seed of sounds and noise."""
    numbers: bool = False
    """Print the table of numbers as well."""
    json: bool = False
    """Print JSON for machines."""


def audit(arguments: list[str]) -> int:
    """Audit a loss or a problem, or the values inside a system's network."""
    if "--ranges" in arguments:
        return audit_ranges(arguments)
    options = read_options(AuditOptions, "wellposed audit", arguments)
    try:
        made = _audit(options)
    except WellposedError as error:
        print(f"wellposed audit: {error}", file=sys.stderr)
        return CANNOT
    if options.json:
        print(made.to_json())
    else:
        print(made.text())
        if options.numbers:
            print(f"\n{made.table()}")
    return 1 if made.worst == Severity.FAIL else 0


def _audit(options: AuditOptions) -> Audit:
    if unknown := sorted(set(options.invariances) - set(DECLARABLE)):
        known = ", ".join(DECLARABLE)
        raise RecipeError(f"--invariances {' '.join(unknown)}: unknown; known: {known}")
    probes = None if options.data is None else real_speech(options.data, options.seed)
    if options.what in WITH_OBJECTIVE:
        question = Question(options.model, options.data, probes, options.seed, options.quick)
        return WITH_OBJECTIVE[options.what](question)
    if Path(options.what).suffix in (".yaml", ".yml"):
        return _audit_recipe(Path(options.what), options)
    if options.what in SYSTEMS:
        system = system_type(options.what)(recipe_type(options.what)(seed=options.seed))
        return audit_run(system, torch.device("cpu"), quick=options.quick)
    subject = load_subject(options.what)
    if isinstance(subject, Problem):
        return audit_problem(subject, options.quick)
    try:
        return audit_loss(
            subject,
            role=options.role,
            domain=options.domain,
            invariances=options.invariances,
            seed=options.seed,
            probes=probes,
            quietest_db=options.quietest_db,
            name=options.what,
        )
    except USUAL as error:
        traceback.print_exc()
        raise RecipeError(
            f"{options.what} could not be asked: {type(error).__name__}: {error}. It is given "
            f"(estimate, reference), each {_given(options.domain)}, and shall return one number or "
            "one per item; where yours differs, write a function of two lines around it."
        ) from error


def _audit_recipe(path: Path, options: AuditOptions) -> Audit:
    kind = system_type(system_name(path))
    recipe = load(kind.recipe_type, path)
    if isinstance(recipe, LocateRecipe):
        return audit_recipe(recipe, quick=options.quick)
    return audit_run(kind(recipe), torch.device("cpu"), quick=options.quick)


def _given(domain: str) -> str:
    shapes = {"waveform": f"float32 ({ITEMS}, {SAMPLES})", "spectrum": f"complex64 ({ITEMS}, ...)"}
    return shapes[domain]
