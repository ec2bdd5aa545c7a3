"""What is drawn, and what stands before a network: the front of a recipe's kind of scenes."""

from wellposed.systems.locate.front import Front
from wellposed.systems.locate.line_front import LineFront
from wellposed.systems.locate.recipe import LocateRecipe
from wellposed.systems.locate.surface_front import SurfaceFront


def front_of(recipe: LocateRecipe) -> Front:
    """The front of a recipe, its scenes keyed by the seed."""
    kind = LineFront if recipe.scenes.kind == "line" else SurfaceFront
    return kind(recipe)
