"""Interventions: small named objects that change one thing of a run, for a replay to try.

`intervention` says what one may change; the files beside it hold the kinds; `registry` finds them
by name; `altered` is a system under some of them.
"""

from wellposed.engine.interventions.intervention import (
    Changes,
    Intervention,
    RecipeChange,
    Variant,
    Without,
    as_yaml,
)

__all__ = ["Changes", "Intervention", "RecipeChange", "Variant", "Without", "as_yaml"]
