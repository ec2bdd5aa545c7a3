"""All faults, by kind; a file here is found by being here, a subclass of `Fault` by its codes."""

import pkgutil
from functools import cache
from importlib import import_module

from wellposed.faults.fault import Fault


@cache
def all_faults() -> dict[str, type[Fault]]:
    """Every fault by name, in the order of files and lines."""
    for entry in pkgutil.iter_modules(__path__):
        import_module(f"{__name__}.{entry.name}")
    found = sorted(_below(Fault), key=lambda each: each.__module__)
    return {each.name(): each for each in found if each.codes}


def _below(kind: type[Fault]) -> list[type[Fault]]:
    return [each for child in kind.__subclasses__() for each in (child, *_below(child))]
