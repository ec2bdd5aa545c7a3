"""What a recipe promises, in the words of the guard: its plan."""

from functools import partial

from wellposed.engine.recipe import Recipe
from wellposed.engine.schedule import rate_factor
from wellposed.guard.plan import Criterion, Plan


def plan_of(recipe: Recipe, *, silent_targets: float = 0.0) -> Plan:
    """Turn a recipe into a plan; `silent_targets` is the system's declared share of such items."""
    validation = recipe.validation
    return Plan(
        steps=recipe.training.steps,
        validate_every=validation.every,
        rate=partial(rate_factor, recipe.schedule, steps=recipe.training.steps),
        fine_tuning=recipe.training.start_from is not None,
        silent_targets=silent_targets,
        criteria=tuple(
            Criterion(
                metric,
                float("-inf") if promise.low is None else promise.low,
                float("inf") if promise.high is None else promise.high,
                promise.step,
            )
            for metric, promise in validation.criteria.items()
        ),
    )
