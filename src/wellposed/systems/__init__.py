"""The complete systems, each one folder; a new system is a new folder and one line here."""

from difflib import get_close_matches
from importlib import import_module
from typing import Any

from wellposed.engine.recipe import Recipe
from wellposed.engine.system import System
from wellposed.errors import RecipeError

SYSTEMS: dict[str, str] = {
    "codec": "wellposed.systems.codec.system:CodecSystem",
    "enhance": "wellposed.systems.enhance.system:Enhance",
    "extract": "wellposed.systems.extract.system:ExtractSystem",
    "locate": "wellposed.systems.locate.system:LocateSystem",
}
"""Name on the command line, and where its class is; imported when asked for."""


def system_type(name: str) -> type[System[Any]]:
    """Import the class of a system. Raises RecipeError for a name that is not registered."""
    if name not in SYSTEMS:
        near = get_close_matches(name, SYSTEMS, n=1)
        hint = f", did you mean {near[0]}?" if near else f". There are: {', '.join(SYSTEMS)}."
        raise RecipeError(f"unknown system {name!r}{hint}")
    module, _, attribute = SYSTEMS[name].partition(":")
    return getattr(import_module(module), attribute)


def recipe_type(name: str) -> type[Recipe]:
    """Return the recipe class of a system."""
    return system_type(name).recipe_type
