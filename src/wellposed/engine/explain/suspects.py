"""Which interventions are worth replays for a symptom: those that bear on it (`bearing`)."""

from collections.abc import Sequence
from typing import Any

from wellposed.engine.curriculum import value_at
from wellposed.engine.explain.bearing import OWN, Bearing, bearing_on
from wellposed.engine.explain.symptom import Symptom
from wellposed.engine.interventions.intervention import Intervention, RecipeChange
from wellposed.engine.interventions.registry import named, offered
from wellposed.engine.system import System


def suspected(system: System[Any], symptom: Symptom, step: int, start: int) -> list[Intervention]:
    """What is tried, most telling first; what cannot be tried from `start` on is left out."""
    found: dict[str, Intervention] = {}
    for code in symptom.codes or ("",):
        bearing = bearing_on(code)
        own = {each.name for each in system.interventions()}
        general = [each for each in offered(system, step) if _bears(each, bearing, own)]
        for each in (*_for_this_alone(system, bearing), *general):
            found.setdefault(each.name, each)
    return [each for each in found.values() if not each.refusal(system, start)]


def why_none(codes: Sequence[str]) -> str:
    """Why no replay can tell anything of these codes; "" if one may."""
    return "; ".join(filter(None, (bearing_on(code).why_none for code in codes)))


def _bears(each: Intervention, bearing: Bearing, own: set[str]) -> bool:
    kind = OWN if each.name in own else each.name.partition(":")[0]
    return kind in bearing.kinds


def _for_this_alone(system: System[Any], bearing: Bearing) -> list[Intervention]:
    recipe = system.recipe
    made: list[Intervention] = [named(name, system) for name in bearing.names]
    values = recipe.model_dump(mode="json")
    for key, value in bearing.settings.items():
        if value(recipe) != value_at(values, key):
            made.append(RecipeChange.of(f"{key}={value(recipe)!r}"))
    return made
