"""Counting bad steps, each of which may be judged in several parts (generator, critic)."""

from typing import Any


class Streak:
    """Bad steps in a row. A healthy part does not end a streak, a healthy step does."""

    def __init__(self) -> None:
        self.total = 0
        self.since: int | None = None
        self._count = 0
        self._step: int | None = None
        self._bad_step: int | None = None

    @property
    def in_a_row(self) -> int:
        """How many steps up to the present one were bad."""
        return self._count if self._step == self._bad_step else 0

    def judge(self, step: int, bad: bool) -> bool:
        """Take in one part of a step; True if it is the first bad one of a new streak."""
        if step != self._step:
            if self._bad_step != self._step:
                self._count, self.since = 0, None
            self._step = step
        if not bad or self._bad_step == step:
            return False
        self._bad_step = step
        self._count += 1
        self.total += 1
        if self.since is not None:
            return False
        self.since = step
        return True

    def state(self) -> dict[str, Any]:
        """Everything, as JSON values."""
        return {
            "total": self.total,
            "since": self.since,
            "count": self._count,
            "step": self._step,
            "bad_step": self._bad_step,
        }

    def load(self, state: dict[str, Any]) -> None:
        """Take over what `state` returned."""
        self.total, self.since = state["total"], state["since"]
        self._count, self._step, self._bad_step = state["count"], state["step"], state["bad_step"]
