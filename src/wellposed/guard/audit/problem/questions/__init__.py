"""All questions about a problem: one small file each, found by being here.

A file here defines

    QUESTION  the question of `verdict.QUESTIONS` that it belongs to
    CODES     the codes that its findings may bear; each has a page in `pages/`
    QUICK     whether it is among the quick ones, which together take less than a minute
    ask       (Rehearsal) -> Part; raises `Unasked` with the reason where it cannot be asked

and its first docstring line says what it asks.
"""

import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib import import_module

from ...verdict import Part
from ..rehearsal import Rehearsal


@dataclass(frozen=True)
class Question:
    """One question."""

    name: str
    question: str
    codes: tuple[str, ...]
    quick: bool
    ask: Callable[[Rehearsal], Part]


@cache
def all_questions() -> tuple[Question, ...]:
    """Every question of this folder, by name."""
    found = []
    for entry in pkgutil.iter_modules(__path__):
        # Relative to this package under whatever name it was copied to.
        each = import_module(f".{entry.name}", __package__)
        codes = tuple(each.CODES)
        found.append(Question(entry.name, each.QUESTION, codes, each.QUICK, each.ask))
    return tuple(found)
