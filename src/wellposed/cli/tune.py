"""`wellposed tune`, if the package that it stands on is here."""

from wellposed.engine.tuning.optional import require_optuna


def tune(arguments: list[str]) -> int:
    """Search for a recipe by many runs, or go on with a search."""
    require_optuna()
    # Imported here: it imports Optuna, which is optional.
    from wellposed.cli.tune_search import tune as with_optuna

    return with_optuna(arguments)
