"""Whether Optuna is here, asked before anything imports it."""

from importlib.util import find_spec

from wellposed.errors import RecipeError


def require_optuna() -> None:
    """Raise RecipeError where the package is missing."""
    if find_spec("optuna") is None:
        raise RecipeError(
            "searching needs the package optuna, which is not installed: "
            '`pip install "wellposed[tune]"`.'
        )
