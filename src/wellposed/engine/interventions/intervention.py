"""What an intervention may change of a run; every method of the base changes nothing.

An intervention is a small frozen object with a name that says all of it (`rate:0.25`), so that a
worker process, a person and a file of results speak of the same. It changes one thing: a recipe's
value, an attribute of the system, or what one of the methods here is asked for.
"""

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import yaml
from torch import Tensor, nn

from wellposed.engine.recipe import Recipe

if TYPE_CHECKING:
    from wellposed.engine.run import Run
    from wellposed.engine.system import System

Changes = Mapping[str, Any]
"""Dotted keys of a recipe and their new values."""


@dataclass(frozen=True)
class Intervention:
    """One thing to change; a subclass of frozen fields is a kind of them."""

    blunt: ClassVar[bool] = False
    """Whether it also holds up what is well (a lower rate, a frozen network), so that a symptom
    that goes away with it says less."""

    # Every kind has its own `name` and `about`; the methods below are hooks, and may stay empty.

    @property
    def name(self) -> str:
        """All of it in a word, as the command line takes it."""
        raise NotImplementedError

    @property
    def about(self) -> str:
        """What is done, as half a sentence: "leave the term phase out"."""
        raise NotImplementedError

    @property
    def stretch(self) -> float:
        """How many times as many steps a replay needs to get as far."""
        return 1.0

    def refusal(self, system: "System[Any]", start: int) -> str:
        """Why it cannot be tried on this system from step `start` on; "" if it can."""
        return ""

    def changes(self, recipe: Recipe) -> Changes:
        """What the replay's recipe has other than `recipe`."""
        return {}

    def proposal(self, recipe: Recipe) -> Changes:
        """What a recipe would say to keep it; empty where no recipe can."""
        return self.changes(recipe)

    def attributes(self) -> Mapping[str, Any]:
        """Attributes of the system that are set before it builds anything."""
        return {}

    def during(self) -> AbstractContextManager[Any]:
        """Hold while the replay is built and run."""
        return nullcontext()

    def build(self, networks: dict[str, nn.Module]) -> None:
        """Change freshly built networks."""

    def ready(self, run: "Run") -> None:
        """Change a run that is built and restored, before its first step."""

    def batch(self, step: int) -> int:
        """Number of the batch that step `step` takes."""
        return step

    def scene(self, number: int) -> int:
        """Number of the scene that is rendered in the place of scene `number`, in training."""
        return number

    def item(self, item: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        """A rendered scene; `item` itself is shared and must not be changed."""
        return item

    def terms(self, terms: dict[str, Tensor]) -> dict[str, Tensor]:
        """Unweighted terms `(batch,)` of a player."""
        return terms

    def weights(self, weights: dict[str, float]) -> dict[str, float]:
        """Weights of a player's terms."""
        return weights


@dataclass(frozen=True)
class RecipeChange(Intervention):
    """Another value in the recipe, under a name of its own or as `recipe:KEY=VALUE`."""

    told: str
    what: str
    values: tuple[tuple[str, Any], ...]

    @property
    def name(self) -> str:
        """The name it was given."""
        return self.told

    @property
    def about(self) -> str:
        """What it was said to be."""
        return self.what

    def changes(self, recipe: Recipe) -> Changes:
        """The values."""
        return dict(self.values)

    @classmethod
    def of(cls, text: str) -> "RecipeChange":
        """Read `KEY=VALUE`, the value as YAML. Raises ValueError for text without `=`."""
        key, equals, value = text.partition("=")
        if not equals or not key:
            raise ValueError(f"recipe:{text}: wanted recipe:KEY=VALUE")
        return cls(f"recipe:{text}", f"set {key} to {value}", ((key, yaml.safe_load(value)),))


@dataclass(frozen=True)
class Without(RecipeChange):
    """A part of the system that is gone round, or an easier task: it tells where the cause is.

    Nobody would keep it, so that it is no proposal for a recipe.
    """

    blunt: ClassVar[bool] = True

    def proposal(self, recipe: Recipe) -> Changes:
        """None."""
        return {}


@dataclass(frozen=True)
class Variant(Intervention):
    """Another value of attributes of the system: for what is in code and in no recipe."""

    told: str
    what: str
    values: Mapping[str, Any]

    @property
    def name(self) -> str:
        """The name it was given."""
        return self.told

    @property
    def about(self) -> str:
        """What it was said to be."""
        return self.what

    def attributes(self) -> Mapping[str, Any]:
        """The attributes and their values."""
        return self.values


def as_yaml(changes: Changes) -> str:
    """A recipe file that states these changes alone; "" for none."""
    tree: dict[str, Any] = {}
    for key, value in changes.items():
        node = tree
        *path, last = key.split(".")
        for part in path:
            node = node.setdefault(part, {})
        node[last] = value
    return yaml.safe_dump(tree, sort_keys=False, width=100) if tree else ""
