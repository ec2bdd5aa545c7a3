"""What a search may be judged by: the measurement that selects, never what is trained on."""

from typing import Any

from wellposed.engine.system import System
from wellposed.engine.validation import direction
from wellposed.errors import RecipeError


def require_measurement(system: System[Any]) -> str:
    """Return the metric that judges trials, and which end is better, as `direction` does.

    Raises RecipeError for a term of the loss: its weight and its scale are what a search varies,
    so that the lowest loss is the one with the smallest weights.
    """
    select = system.recipe.validation.select
    terms = {term for player in system.players for term in system.weights(player.name)}
    if select == "loss" or select.startswith("loss/") or select in terms:
        usable = [name for name, better in system.metrics.items() if better in ("higher", "lower")]
        raise RecipeError(
            f"validation.select = {select!r} is what is trained on (loss and terms: "
            f"{', '.join(sorted(terms))}), so trials with other weights cannot be "
            f"compared by it. Name a measurement: {', '.join(usable)}."
        )
    return direction(system)
