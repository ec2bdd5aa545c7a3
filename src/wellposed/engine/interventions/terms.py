"""Interventions on the terms of a loss."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from torch import Tensor

from wellposed.engine.interventions.intervention import Changes, Intervention
from wellposed.engine.recipe import Recipe

if TYPE_CHECKING:
    from wellposed.engine.system import System


def _weight_of(recipe: Recipe, term: str) -> float | None:
    """What the recipe's loss section says of a term; None if it says nothing."""
    loss = recipe.model_dump(mode="json").get("loss")
    value = loss.get(term) if isinstance(loss, dict) else None
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def all_terms(system: "System[Any]") -> dict[str, float]:
    """Terms of all players with their weights; the same name in two players is one."""
    return {k: w for each in system.players for k, w in system.weights(each.name).items()}


@dataclass(frozen=True)
class DropTerm(Intervention):
    """A term that is not there: neither its value, which may not be finite, nor its gradient."""

    term: str

    @property
    def name(self) -> str:
        """`drop-term:NAME`."""
        return f"drop-term:{self.term}"

    @property
    def about(self) -> str:
        """What is done."""
        return f"leave the term {self.term} out"

    def refusal(self, system: "System[Any]", start: int) -> str:
        """A term that does not exist, or that is all there is."""
        terms = all_terms(system)
        if self.term not in terms:
            return f"there is no term {self.term}; there are {', '.join(terms)}"
        return next(
            (
                f"{self.term} is all that {player.name} learns from"
                for player in system.players
                if {k for k, w in system.weights(player.name).items() if w} == {self.term}
            ),
            "",
        )

    def proposal(self, recipe: Recipe) -> Changes:
        """A weight of 0, where the recipe has one."""
        return {} if _weight_of(recipe, self.term) is None else {f"loss.{self.term}": 0.0}

    def terms(self, terms: dict[str, Tensor]) -> dict[str, Tensor]:
        """All but this."""
        return {name: value for name, value in terms.items() if name != self.term}

    def weights(self, weights: dict[str, float]) -> dict[str, float]:
        """All but this."""
        return {name: value for name, value in weights.items() if name != self.term}


@dataclass(frozen=True)
class ReweightTerm(Intervention):
    """A term that counts more or less."""

    term: str
    factor: float

    @property
    def name(self) -> str:
        """`reweight-term:NAME:FACTOR`."""
        return f"reweight-term:{self.term}:{self.factor:g}"

    @property
    def about(self) -> str:
        """What is done."""
        return f"weigh the term {self.term} {self.factor:g} times as much"

    def refusal(self, system: "System[Any]", start: int) -> str:
        """A term that does not exist."""
        terms = all_terms(system)
        known = self.term in terms
        return "" if known else f"there is no term {self.term}; there are {', '.join(terms)}"

    def proposal(self, recipe: Recipe) -> Changes:
        """The weight, where the recipe has one."""
        weight = _weight_of(recipe, self.term)
        return {} if weight is None else {f"loss.{self.term}": weight * self.factor}

    def weights(self, weights: dict[str, float]) -> dict[str, float]:
        """The same, but for one."""
        return {
            name: value * self.factor if name == self.term else value
            for name, value in weights.items()
        }
