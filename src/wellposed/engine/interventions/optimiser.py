"""Interventions on how a gradient becomes a step."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from wellposed.engine.interventions.intervention import Changes, Intervention
from wellposed.engine.recipe import Recipe

if TYPE_CHECKING:
    from wellposed.engine.run import Run


@dataclass(frozen=True)
class Rate(Intervention):
    """Another learning rate, and so many more steps that all of them go as far.

    A symptom that only comes later at a low rate is not gone.
    """

    blunt: ClassVar[bool] = True
    factor: float

    @property
    def name(self) -> str:
        """`rate:FACTOR`."""
        return f"rate:{self.factor:g}"

    @property
    def about(self) -> str:
        """What is done."""
        longer = f", for {self.stretch:g} times as many steps" if self.stretch > 1 else ""
        return f"take {self.factor:g} times the learning rate{longer}"

    @property
    def stretch(self) -> float:
        """Slow steps need more of them; fast ones are given the same number."""
        return max(1.0, 1 / self.factor)

    def changes(self, recipe: Recipe) -> Changes:
        """The rate."""
        return {"optimizer.learning_rate": recipe.optimizer.learning_rate * self.factor}


@dataclass(frozen=True)
class Clip(Intervention):
    """Another largest norm of the whole gradient."""

    blunt: ClassVar[bool] = True
    norm: float

    @property
    def name(self) -> str:
        """`clip:NORM`."""
        return f"clip:{self.norm:g}"

    @property
    def about(self) -> str:
        """What is done."""
        return f"clip the gradient's norm at {self.norm:g}"

    def changes(self, recipe: Recipe) -> Changes:
        """The norm."""
        return {"optimizer.clip_norm": self.norm}


@dataclass(frozen=True)
class ResetMoments(Intervention):
    """Optimizers that have forgotten all gradients before."""

    @property
    def name(self) -> str:
        """`reset-moments`."""
        return "reset-moments"

    @property
    def about(self) -> str:
        """What is done."""
        return "forget the moments of the optimizers"

    def refusal(self, system: object, start: int) -> str:
        """At the start there are none."""
        return "" if start else "the replay begins at the start, where there are no moments"

    def ready(self, run: "Run") -> None:
        """Empty the states of all optimizers."""
        for optimizer in run.moving.optimizers.values():
            optimizer.state.clear()
