"""What a run intends. Thresholds follow from it, never from a constant with a unit."""

from collections.abc import Callable
from dataclasses import dataclass
from statistics import fmean


@dataclass(frozen=True)
class Criterion:
    """A promise about a validated metric: from step `step` on it lies in [`low`, `high`]."""

    metric: str
    low: float = float("-inf")
    high: float = float("inf")
    step: int = 0


@dataclass(frozen=True)
class Plan:
    """What is known about a run before it begins; every field may stay unsaid."""

    steps: int | None = None
    """Optimizer steps of the whole run."""
    validate_every: int | None = None
    """Steps between validations."""
    rate: Callable[[int], float] | None = None
    """Learning rate at a step, relative to its peak; None: constant."""
    fine_tuning: bool = False
    """The weights begin near where they should end: small steps are intended."""
    frozen: tuple[str, ...] = ()
    """Prefixes of parameters that must not move."""
    silent_targets: float = 0.0
    """Declared share of items whose target is exactly silent."""
    clamped: float = 1e-3
    """Declared share of values that a clamp inside a network may change."""
    criteria: tuple[Criterion, ...] = ()
    """Promises that are checked at every validation."""
    false_alarms: float = 0.01
    """Budget of every statistical check: expected false findings in the whole run."""

    def level(self, opportunities: int) -> float:
        """Chance of a false finding that one look may have, when there are so many looks."""
        return min(0.05, self.false_alarms / max(opportunities, 1))

    @property
    def validations(self) -> int:
        """How many validations are planned; 100 when nobody said."""
        if not self.steps or not self.validate_every:
            return 100
        return max(1, -(-self.steps // self.validate_every))

    def spent(self, step: int) -> float | None:
        """Share of all that the learning rate will move, that lies before `step`; None: unknown.

        The sum of the rates up to the step over that of the run, at 1000 steps of each.
        """
        if not self.steps:
            return None
        share = min(step / self.steps, 1.0)
        if self.rate is None:
            return share
        before, whole = (self._mean_rate(until) for until in (share * self.steps, self.steps))
        return share * before / whole if whole > 0 else share

    def ends_at(self, step: int) -> bool:
        """Whether `step`, counted from 0 or from 1, is the last one that is planned."""
        return self.steps is not None and step >= self.steps - 1

    def _mean_rate(self, until: float) -> float:
        rate = self.rate or (lambda step: 1.0)
        return fmean(rate(int((cell + 0.5) / 1000 * until)) for cell in range(1000))
