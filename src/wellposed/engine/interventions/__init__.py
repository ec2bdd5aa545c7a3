"""Interventions: small named objects that change one thing of a run, for a replay to try."""

from wellposed.engine.interventions.intervention import (
    Changes,
    Intervention,
    RecipeChange,
    Variant,
    as_yaml,
)

__all__ = ["Changes", "Intervention", "RecipeChange", "Variant", "as_yaml"]
