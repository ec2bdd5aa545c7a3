"""Recipes: what a run is told, as typed sections with units and reasons.

The recommended values are the defaults, and each has one home: the field it belongs to. A
YAML file states only differences; later sources win: defaults < file < command line. An
unknown key is an error that names the nearest known one.
"""

from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from types import NoneType
from typing import Annotated, Any, Self, TypeVar

import tyro
import yaml
from pydantic import Field, ValidationError, model_validator

from wellposed.engine.curriculum import Phase, between, value_at
from wellposed.engine.keys import keys, leaves, unknown
from wellposed.engine.section import Section
from wellposed.engine.sections import (
    Average,
    Data,
    Optimizer,
    Schedule,
    Training,
    Validation,
)
from wellposed.errors import RecipeError


class Recipe(Section):
    """What every run has; a system adds its model, scenes and loss."""

    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    """The one seed from which all randomness follows."""
    data: Data = Data()
    training: Training = Training()
    optimizer: Optimizer = Optimizer()
    schedule: Schedule = Schedule()
    average: Average = Average()
    validation: Validation = Validation()
    curriculum: Annotated[tuple[Phase, ...], tyro.conf.Fixed] = ()
    """Phases after the first, by rising step."""

    @model_validator(mode="after")
    def _phases_rise_and_fit(self) -> Self:
        steps = [phase.from_step for phase in self.curriculum]
        if steps != sorted(set(steps)):
            raise ValueError(f"curriculum: from_step must rise, found {steps}")
        for phase, after in pairwise(self.curriculum):
            reached = phase.from_step + phase.ramp_steps
            if reached > after.from_step:
                raise ValueError(
                    f"curriculum: the phase from step {phase.from_step} is reached at step "
                    f"{reached}, after the next one begins"
                )
        for phase in self.curriculum:
            for key in phase.changes:
                if key.split(".")[0] not in ("scenes", "loss"):
                    raise ValueError(f"curriculum: {key!r} is not below scenes or loss")
        return self

    def at_step(self, step: int) -> tuple[int, Self]:
        """Number of the phase (0 is the first) that `step` belongs to, and its recipe.

        The recipe of a later phase has no curriculum of its own. While a phase is ramped to, the
        recipe is another one at every step: a pure function of the step.
        """
        number, recipe = 0, self
        if self.curriculum and step >= self.curriculum[0].from_step:
            recipe = self.model_copy(update={"curriculum": ()})
        for phase in self.curriculum:
            if step < phase.from_step:
                break
            number += 1
            where, share = f"curriculum from step {phase.from_step}", phase.share(step)
            before = recipe
            recipe = changed(recipe, phase.changes, where)
            if share < 1:
                recipe = changed(before, _on_the_way(before, recipe, phase, share), where)
        return number, recipe


R = TypeVar("R", bound=Recipe)


def changed(recipe: R, changes: Mapping[str, Any], where: str) -> R:
    """Return `recipe` with dotted keys set, `{"loss.complex": 0.5}`; RecipeError as `parse`."""
    tree = recipe.model_dump(mode="json")
    for key, value in changes.items():
        node: Any = tree
        *path, last = key.split(".")
        for part in path:
            node = node.get(part) if isinstance(node, dict) else None
        if not isinstance(node, dict) or last not in node:
            raise RecipeError(unknown(where, key, keys(tree)))
        node[last] = value
    return parse(type(recipe), tree, where)


def _on_the_way(before: Recipe, after: Recipe, phase: Phase, share: float) -> dict[str, Any]:
    """Changes of a phase that is only reached by `share`."""
    first, last = (each.model_dump(mode="json") for each in (before, after))
    return {key: between(value_at(first, key), value_at(last, key), share) for key in phase.changes}


def parse(kind: type[R], tree: Any, where: str) -> R:
    """Make a recipe from nested dicts; RecipeError says where and what is wrong."""
    if not isinstance(tree, dict):
        raise RecipeError(f"{where}: found {type(tree).__name__}, wanted `key: value` lines.")
    try:
        recipe = kind.model_validate(_over(kind(), tree))
    except ValidationError as error:
        raise RecipeError(explain_errors(kind, error, where)) from None
    for phase in recipe.curriculum:
        # A phase that cannot be should be known now, not in the middle of the run.
        recipe.at_step(phase.from_step)
        recipe.at_step(phase.from_step + phase.ramp_steps)
    return recipe


def _over(default: Section, tree: Mapping[str, Any]) -> dict[str, Any]:
    """What `tree` says, over a recipe's own defaults.

    A section of which a file states one key keeps the defaults that this recipe has for the others;
    those of the section's class are other ones (a codec's optimizer is not that of a denoiser).
    """
    whole = default.model_dump()
    for key, value in tree.items():
        held = getattr(default, key, None) if isinstance(key, str) else None
        nested = isinstance(held, Section) and isinstance(value, dict)
        whole[key] = _over(held, value) if nested else value
    return whole


def load(kind: type[R], path: Path) -> R:
    """Read a YAML recipe that states differences from the defaults of `kind`."""
    return parse(kind, read_yaml(path), str(path))


def read_yaml(path: Path) -> dict[str, Any]:
    """Read a YAML mapping; RecipeError for a missing file or text that is none."""
    try:
        tree = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise RecipeError(f"{path}: no such recipe file.") from None
    except (OSError, UnicodeDecodeError) as error:
        raise RecipeError(f"{path}: cannot be read ({error}).") from None
    except yaml.YAMLError as error:
        raise RecipeError(f"{path}: {no_yaml(error)}") from None
    if not isinstance(tree, dict | NoneType):
        raise RecipeError(f"{path}: found {type(tree).__name__}, wanted `key: value` lines.")
    return tree or {}


def no_yaml(error: yaml.YAMLError) -> str:
    """Say where a text stops being YAML, and what is wrong there."""
    mark, problem = getattr(error, "problem_mark", None), getattr(error, "problem", None)
    if mark is None:
        return f"is no YAML: {error}"
    return f"is no YAML: line {mark.line + 1}, column {mark.column + 1}: {problem}"


def dump(recipe: Recipe) -> str:
    """Write every value of the recipe as YAML that `load` reads back to an equal recipe."""
    return yaml.safe_dump(recipe.model_dump(mode="json"), sort_keys=False, width=100)


def differences(recipe: Recipe, other: Recipe) -> dict[str, tuple[Any, Any]]:
    """Dotted keys whose values differ, with (this, that) values."""
    first, second = (
        dict(leaves(recipe.model_dump(mode="json"))),
        dict(leaves(other.model_dump(mode="json"))),
    )
    names = [*first, *(key for key in second if key not in first)]
    return {
        key: (first.get(key), second.get(key)) for key in names if first.get(key) != second.get(key)
    }


def explain_errors(kind: type[Recipe], error: ValidationError, where: str) -> str:
    """Turn pydantic's findings into lines that say where, what, and the nearest known key."""
    known = keys(kind().model_dump(mode="json"))
    lines = []
    for item in error.errors():
        key = ".".join(str(part) for part in item["loc"])
        if item["type"] == "extra_forbidden":
            lines.append(unknown(where, key, known))
        else:
            lines.append(f"{where}: {key or 'recipe'} = {item['input']!r}: {item['msg']}.")
    return "\n".join(lines)
