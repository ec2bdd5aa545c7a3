"""Interventions on which scenes a batch is made of; a scene itself is a function of its number."""

from dataclasses import dataclass

from wellposed.engine.interventions.intervention import Intervention
from wellposed.engine.randomness import key

SCENES = 1 << 31
"""Numbers that another order draws from; scenes are numbered without end."""
AWAY = 1 << 30
"""Where the scene is that stands in for one that is left out, far from all that were seen."""


@dataclass(frozen=True)
class OtherOrder(Intervention):
    """Other scenes in every batch; weights and draws as they were."""

    number: int

    @property
    def name(self) -> str:
        """`other-order:N`, the N-th of them."""
        return f"other-order:{self.number}"

    @property
    def about(self) -> str:
        """What is done."""
        return f"see other scenes (order {self.number})"

    def scene(self, number: int) -> int:
        """Draw a number for each."""
        return key(self.number, "order", number) % SCENES


@dataclass(frozen=True)
class SkipBatch(Intervention):
    """The batch of one step is left out: that step and all later ones take the next."""

    step: int

    @property
    def name(self) -> str:
        """`skip-batch:STEP`."""
        return f"skip-batch:{self.step}"

    @property
    def about(self) -> str:
        """What is done."""
        return f"leave the batch of step {self.step} out"

    def refusal(self, system: object, start: int) -> str:
        """A batch of before the replay."""
        return _before(self.step, start)

    def batch(self, step: int) -> int:
        """Go on by a batch from that step on."""
        return step + (step >= self.step)


@dataclass(frozen=True)
class RepeatBatch(Intervention):
    """The batch of one step is taken again and again from there on."""

    step: int

    @property
    def name(self) -> str:
        """`repeat-batch:STEP`."""
        return f"repeat-batch:{self.step}"

    @property
    def about(self) -> str:
        """What is done."""
        return f"take the batch of step {self.step} in every step from there on"

    def refusal(self, system: object, start: int) -> str:
        """A batch of before the replay."""
        return _before(self.step, start)

    def batch(self, step: int) -> int:
        """Stay at that step's."""
        return min(step, self.step)


@dataclass(frozen=True)
class WithoutItem(Intervention):
    """One scene is replaced by another wherever it comes."""

    left_out: int

    @property
    def name(self) -> str:
        """`without-item:NUMBER`."""
        return f"without-item:{self.left_out}"

    @property
    def about(self) -> str:
        """What is done."""
        return f"take another scene in the place of number {self.left_out}"

    def scene(self, number: int) -> int:
        """All but this one, with one from afar in its place."""
        return number + AWAY if number == self.left_out else number


def _before(step: int, start: int) -> str:
    return f"the replay begins at step {start}, after step {step}" if step < start else ""
