"""`wellposed audit`: ask a loss, or the objective of a system, before money is spent on it."""

import inspect
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Literal

import torch
import tyro
from torch import nn

from wellposed.cli.audit_enhance import Question, audit_enhance
from wellposed.cli.audit_ranges import audit_ranges
from wellposed.data.corpus import open_corpus
from wellposed.data.keyed import generator
from wellposed.data.sounds import CorpusSounds
from wellposed.errors import DataError, RecipeError, WellposedError
from wellposed.guard import Severity
from wellposed.guard.audit import Audit, Probes, audit_loss
from wellposed.guard.audit.probes import ITEMS, RATE

SYSTEMS: dict[str, Callable[[Question], Audit]] = {"enhance": audit_enhance}
"""Systems whose objective can be audited by name."""

CANNOT = 2
"""Exit status when nothing could be asked; 1 says that an answer is FAIL."""

USUAL = (RuntimeError, TypeError, ValueError, IndexError, KeyError, AttributeError, AssertionError)
"""What a loss raises when it cannot take what it is given."""


@dataclass
class AuditOptions:
    """Ask a loss what it rewards, where it leads and what it cannot bear. Nothing is trained.

    `wellposed audit enhance --ranges --help` is about the values inside a network instead.
    Exit status: 0 no answer is FAIL, 1 one is, 2 nothing could be asked.
    """

    what: tyro.conf.Positional[str]
    """my_module:my_loss, a function of (estimate, reference), a module or its class; or a system:
    enhance."""
    role: Literal["total", "term"] = "total"
    """total: this is the whole objective; term: other terms stand beside it."""
    domain: Literal["waveform", "spectrum"] = "waveform"
    """What it compares: (batch, time), or complex (batch, frames, bins)."""
    invariances: tuple[str, ...] = ()
    """What it is meant not to notice: gain offset polarity shift phase band."""
    data: Path | None = None
    """Corpus whose speech is asked with, instead of synthetic sound."""
    quietest_db: float | None = None
    """Level of the quietest estimate in training, relative to the target [dB]; -inf for a network
    whose first output is zero. Default: 16-bit rounding noise."""
    model: str | None = None
    """Of a system: the run, weights file or shipped name whose recipe and outputs are meant."""
    seed: int = 0
    """Of sounds and noise."""
    numbers: bool = False
    """Print the table of numbers, too."""
    json: bool = False
    """Print JSON for machines."""


def audit(arguments: list[str]) -> int:
    """Audit a loss or a system's objective, or the values inside a system's network."""
    if "--ranges" in arguments:
        return audit_ranges(arguments)
    options = tyro.cli(AuditOptions, prog="wellposed audit", args=arguments)
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
    probes = None if options.data is None else real_speech(options.data, options.seed)
    if options.what in SYSTEMS:
        return SYSTEMS[options.what](Question(options.model, options.data, probes, options.seed))
    fn = load_loss(options.what)
    try:
        return audit_loss(
            fn,
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


def load_loss(what: str) -> Callable[..., Any]:
    """Import `module:attribute`, from the current folder too; a class is made without arguments.

    Raises RecipeError: no such module or attribute, or nothing that can be called.
    """
    module, separator, attribute = what.partition(":")
    if not separator:
        raise RecipeError(
            f"{what!r} is no system ({', '.join(SYSTEMS)}); a loss is given as my_module:my_loss"
        )
    if "" not in sys.path and str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    try:
        found: Any = import_module(module)
    except ModuleNotFoundError as error:
        # A module that is missing inside the user's own is the user's to see in full.
        if error.name is None or not f"{module}.".startswith(f"{error.name}."):
            raise
        raise RecipeError(f"no module {module!r} in {Path.cwd()} or among the packages") from None
    for name in attribute.split("."):
        if not hasattr(found, name):
            raise RecipeError(f"{module} has no {attribute!r}; wanted is a loss in it")
        found = getattr(found, name)
    if inspect.isclass(found):
        try:
            found = found()
        except TypeError as error:
            raise RecipeError(
                f"{what} is a class and needs arguments ({error}); write `loss = "
                f"{attribute}(...)` into a module and give that"
            ) from None
    if not callable(found):
        raise RecipeError(f"{what} is a {type(found).__name__}, which cannot be called")
    return found.eval() if isinstance(found, nn.Module) else found


def real_speech(data: Path, seed: int) -> Probes:
    """One second each of four clips of a corpus. Raises DataError: no audible speech in it."""
    sounds = CorpusSounds(open_corpus(data), RATE)
    pieces = []
    for draw in range(20 * ITEMS):
        rng = generator(seed, "audit", "train", draw)
        piece = torch.tensor(sounds.speech("train", RATE, rng).wave)
        # A pause of the clip may be all that was drawn.
        if float(piece.square().mean()) > 1e-8:
            pieces.append(piece)
        if len(pieces) == ITEMS:
            return Probes.given(torch.stack(pieces), seed, RATE, f"speech from {data.name}")
    raise DataError(f"{data}: {20 * ITEMS} pieces of speech and hardly one that is audible")


def _given(domain: str) -> str:
    shapes = {"waveform": f"float32 ({ITEMS}, {RATE})", "spectrum": f"complex64 ({ITEMS}, ...)"}
    return shapes[domain]
