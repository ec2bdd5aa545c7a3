"""Phases of a curriculum: what changes from a step on, at once or along a straight line."""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field

from wellposed.engine.section import Section


class Phase(Section):
    """A later part of the curriculum: from a step on, the recipe with these changes."""

    from_step: Annotated[int, Field(ge=1)]
    """First step of the phase."""
    changes: dict[str, Any]
    """Dotted keys below `scenes` or `loss`, and their new values."""
    ramp_steps: Annotated[int, Field(ge=0)] = 0
    """Steps in which weights, shares and other broken numbers go to their new values in a straight
    line; whole numbers (counts) and words change at the first step. 0: all at once."""

    def share(self, step: int) -> float:
        """How much of the way is done at a step of the phase, 0 to 1."""
        if self.ramp_steps == 0:
            return 1.0
        return min(1.0, (step - self.from_step) / self.ramp_steps)

    def text(self) -> str:
        """Say it in a line."""
        changes = ", ".join(f"{key} = {value}" for key, value in self.changes.items())
        return changes + (f", reached in {self.ramp_steps} steps" if self.ramp_steps else "")


def value_at(tree: Mapping[str, Any], key: str) -> Any:
    """Look up a dotted key that exists."""
    node: Any = tree
    for part in key.split("."):
        node = node[part]
    return node


def between(before: Any, after: Any, share: float) -> Any:
    """Value at `share` of the way: broken numbers, and lists of them, linearly, others at once."""
    if isinstance(before, float) and isinstance(after, float):
        return before + share * (after - before)
    if isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        pairs = zip(before, after, strict=True)
        return [between(first, second, share) for first, second in pairs]
    return after
