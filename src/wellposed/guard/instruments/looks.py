"""When to look closely: densely where a run begins, rarely later. The same with interruptions."""

from collections.abc import Mapping
from typing import Any

from . import Watched


class Looks:
    """Close looks at steps 0, 1, 2, 4, 8, ... of a run, then at those that are due.

    Counted from the first step that the guard saw. Powers of two, because a fault of the first
    steps is then named within twice the time that it has lasted, for log2(every) looks more.
    """

    def __init__(self, watched: Watched) -> None:
        self._watched = watched
        self._first: int | None = None
        self._latest: int | None = None

    def visit(self, step: int) -> bool:
        """Whether this is the first call of a step that is looked at closely."""
        if self._first is None:
            self._first = step
        is_new, self._latest = step != self._latest, step
        past = step - self._first
        dense = past < self._watched.every and past & (past - 1) == 0
        return is_new and (dense or self._watched.due(step))

    def state(self) -> dict[str, Any]:
        """Everything, as JSON values."""
        return {"first": self._first, "latest": self._latest}

    def load(self, state: Mapping[str, Any]) -> None:
        """Take over what `state` returned."""
        self._first, self._latest = state["first"], state["latest"]
