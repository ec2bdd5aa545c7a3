"""Which scene is of which kind: by its number alone, in fixed proportions."""

from dataclasses import dataclass
from functools import cache
from typing import Literal

Kind = Literal["present", "partial", "absent"]
Gender = Literal["any", "same", "other"]


@dataclass(frozen=True)
class Scenario:
    """What a validation scene is about; its name is the row of the tables."""

    name: str
    kind: Kind
    interferers: int
    gender: Gender = "any"


SCENARIOS = (
    Scenario("present single", "present", 0),
    Scenario("absent single, same gender", "absent", 1, "same"),
    Scenario("present multi, same gender", "present", 1, "same"),
    Scenario("partial", "partial", 1),
    Scenario("present multi, other gender", "present", 1, "other"),
    Scenario("absent multi", "absent", 2),
    Scenario("present multi, two others", "present", 2),
    Scenario("absent single, other gender", "absent", 1, "other"),
)
"""Validation and test scenes repeat these. "Single" is one speaker in the mixture: the target, or
somebody else alone."""


def scenario_of(index: int) -> Scenario:
    """Scenario of validation or test scene `index`."""
    return SCENARIOS[index % len(SCENARIOS)]


@cache
def layout(present: int, partial: int, absent: int) -> tuple[Kind, ...]:
    """Kinds of a block of training scenes, each spread as evenly as can be."""
    counts: dict[Kind, int] = {"present": present, "partial": partial, "absent": absent}
    places = [
        ((k + 0.5) / count, order, kind)
        for order, (kind, count) in enumerate(counts.items())
        for k in range(count)
    ]
    return tuple(kind for _, _, kind in sorted(places))
