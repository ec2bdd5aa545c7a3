"""All stories; a file here is found by being here, a subclass of `Story` by having causes.

`story` has the contract and how to write one.
"""

import pkgutil
from functools import cache
from importlib import import_module

from wellposed.faults.stories.story import Story


@cache
def all_stories() -> dict[str, type[Story]]:
    """Every story by name, in the order of files and lines."""
    for entry in pkgutil.iter_modules(__path__):
        import_module(f"{__name__}.{entry.name}")
    found = sorted(_below(Story), key=lambda each: each.__module__)
    return {each.name(): each for each in found if hasattr(each, "causes")}


def _below(kind: type[Story]) -> list[type[Story]]:
    return [each for child in kind.__subclasses__() for each in (child, *_below(child))]
