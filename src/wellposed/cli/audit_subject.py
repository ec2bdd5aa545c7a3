"""What `wellposed audit` is given: a loss, a problem, or the sounds to ask with."""

import inspect
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from torch import nn

from wellposed.data.corpus import open_corpus
from wellposed.data.keyed import generator
from wellposed.data.sounds import CorpusSounds
from wellposed.errors import DataError, RecipeError
from wellposed.guard.audit import Probes
from wellposed.guard.audit.probes import ITEMS, RATE, SAMPLES
from wellposed.guard.audit.problem import Problem
from wellposed.systems import SYSTEMS


def load_subject(what: str) -> Callable[..., Any] | Problem:
    """Import `module:attribute`, from the current folder too: a loss, or a problem.

    A class is made without arguments; a function that takes none makes a problem.

    Raises RecipeError: no such module or attribute, or nothing that can be called.
    """
    module, separator, attribute = what.partition(":")
    if not separator:
        raise RecipeError(
            f"{what!r} is no system ({', '.join(SYSTEMS)}); a loss is given as my_module:my_loss, "
            "a problem as my_module:my_problem"
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
            raise RecipeError(f"{module} has no {attribute!r}; wanted is a loss or a problem in it")
        found = getattr(found, name)
    if isinstance(found, Problem):
        return found
    if _takes_nothing(found):
        return _made(what, found)
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
    """A piece each of four clips of a corpus. Raises DataError: no audible speech in it."""
    sounds = CorpusSounds(open_corpus(data), RATE)
    pieces = []
    for draw in range(20 * ITEMS):
        rng = generator(seed, "audit", "train", draw)
        piece = torch.tensor(sounds.speech("train", SAMPLES, rng).wave)
        # A pause of the clip may be all that was drawn.
        if float(piece.square().mean()) > 1e-8:
            pieces.append(piece)
        if len(pieces) == ITEMS:
            return Probes.given(torch.stack(pieces), seed, RATE, f"speech from {data.name}")
    raise DataError(f"{data}: {20 * ITEMS} pieces of speech and hardly one that is audible")


def _takes_nothing(found: Any) -> bool:
    """Whether this is a function without any parameter, as no loss is."""
    return inspect.isfunction(found) and not inspect.signature(found).parameters


def _made(what: str, factory: Callable[[], Any]) -> Problem:
    made = factory()
    if not isinstance(made, Problem):
        raise RecipeError(
            f"{what}() returned a {type(made).__name__}; a function without arguments shall return "
            "a wellposed.guard.Problem, and a loss takes (estimate, reference)"
        )
    return made
