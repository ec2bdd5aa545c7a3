"""What a replay is looked at for: findings of the guard, or a figure beyond a bound."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Symptom:
    """Something that a run shows within `steps` steps of training, or does not.

    Either `codes`, or a `figure` with one bound.
    """

    steps: int
    """Steps of training, counted from the start of the run, after which it shows."""
    codes: tuple[str, ...] = ()
    """A finding of one of these codes, made after the replay began, is the symptom."""
    severity: str = "INFO"
    """Least severity of such a finding."""
    figure: str = ""
    """Name of a value of a step as in history.jsonl: "loss/level", "gradient_norm",
    "amplitude_ratio"; or "valid/NAME", the mean of metric NAME at the last validation."""
    below: float | None = None
    """The figure is the symptom when it is below this, or not finite ..."""
    above: float | None = None
    """... or above this."""
    over: int = 1
    """The figure is the mean over so many of the last steps ("valid/" has only the last)."""

    def __post_init__(self) -> None:
        """Raise ValueError for a symptom that nothing or two things could show."""
        bounds = sum(each is not None for each in (self.below, self.above))
        if bool(self.codes) == bool(self.figure) or bounds != bool(self.figure):
            raise ValueError(f"{self}: wanted codes, or a figure with one of `below` and `above`")
        if self.steps < 1 or self.over < 1:
            raise ValueError(f"{self}: wanted 1 or more steps, over 1 or more of them")

    def shown_by(self, value: float | None) -> bool:
        """Whether a value of the figure is the symptom; one that is missing or NaN is."""
        if value is None or value != value:
            return True
        low, high = self.below, self.above
        return (low is not None and value < low) or (high is not None and value > high)

    def text(self) -> str:
        """Say it in a line."""
        if self.codes:
            return f"{' or '.join(self.codes)} within {self.steps} steps"
        bound = f"below {self.below:g}" if self.below is not None else f"above {self.above:g}"
        mean = f", mean of {self.over} steps" if self.over > 1 else ""
        return f"{self.figure} {bound} after {self.steps} steps{mean}"

    def to_json(self) -> dict[str, Any]:
        """JSON values."""
        return asdict(self)

    @classmethod
    def from_json(cls, tree: Mapping[str, Any]) -> "Symptom":
        """What `to_json` wrote."""
        fields: dict[str, Any] = {**tree, "codes": tuple(tree["codes"])}
        return cls(**fields)
