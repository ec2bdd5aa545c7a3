"""Who is told what a guard measures and finds, while it does: trackers, for one."""

from collections.abc import Sequence
from typing import Protocol

from .findings import Finding
from .rows import Row


class Listener(Protocol):
    """Is told on the first process only, in the order of the steps, when rows are read."""

    def rows(self, rows: Sequence[Row]) -> None:
        """Steps that were measured, some steps after they were taken."""

    def finding(self, finding: Finding) -> None:
        """Something was found."""
