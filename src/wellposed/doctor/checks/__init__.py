"""All questions that are asked of a log, one small file each.

A file here defines

    QUESTION  what is asked, for the list of what could not be judged
    CODES     the codes of its findings
    judge     (Run) -> Judged

and is found by being here.
"""

import pkgutil
from functools import cache
from importlib import import_module

from wellposed.doctor.judged import Check


@cache
def all_checks() -> tuple[Check, ...]:
    """Every check of this folder, by name."""
    found = []
    for entry in pkgutil.iter_modules(__path__):
        module = import_module(f"wellposed.doctor.checks.{entry.name}")
        found.append(Check(module.QUESTION, tuple(module.CODES), module.judge))
    return tuple(found)
