"""All checks: one small file each, a function from the evidence to a finding or nothing.

A file here defines

    CODES  the codes that its findings may bear; each has a page in `pages/`
    READS  what makes it look: "rows", "validation", or a kind of `Evidence.records`
    check  (Evidence) -> Finding | list[Finding] | None

and is found by being here. A subject that several findings of one code differ in (a parameter, a
term) is the value "subject" of the evidence; each (code, subject) is reported once in a run.
"""

import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib import import_module

from ..evidence import Evidence
from ..findings import Finding


@dataclass(frozen=True)
class Check:
    """One check and what it reads."""

    name: str
    codes: tuple[str, ...]
    reads: str
    look: Callable[[Evidence], Finding | list[Finding] | None]


@cache
def all_checks() -> tuple[Check, ...]:
    """Every check of this folder, by name."""
    found = []
    for entry in pkgutil.iter_modules(__path__):
        # Relative to this package under whatever name it was copied to.
        module = import_module(f".{entry.name}", __package__)
        found.append(Check(entry.name, tuple(module.CODES), module.READS, module.check))
    return tuple(found)


def looks(evidence: Evidence, reads: str) -> list[Finding]:
    """What all checks that read a kind find now."""
    findings: list[Finding] = []
    for each in all_checks():
        if each.reads == reads:
            found = each.look(evidence)
            findings += [found] if isinstance(found, Finding) else found or []
    return findings
