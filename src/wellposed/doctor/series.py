"""One column of a log along the run: its numbers, where they stand, and which end is better."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from wellposed.doctor.meaning import Meaning


@dataclass(frozen=True)
class Series:
    """What one column says, in the order of training; `y` may hold NaN and infinities."""

    name: str
    meaning: Meaning
    unit: str
    rows: tuple[int, ...]
    """Rows of the table."""
    x: tuple[float, ...]
    """Where on the run's axis."""
    y: tuple[float, ...]

    def __len__(self) -> int:
        """Number of values."""
        return len(self.y)

    @property
    def finite(self) -> "Series":
        """Without NaN and infinities."""
        return self.where([math.isfinite(value) for value in self.y])

    @property
    def better(self) -> int:
        """1: higher is better; -1: lower is better; 0: neither."""
        return self.meaning.better

    def where(self, kept: Sequence[bool]) -> "Series":
        """Only the values that are kept."""
        chosen = [i for i, keep in enumerate(kept) if keep]
        return self.with_values([self.y[i] for i in chosen], chosen)

    def with_values(self, values: Sequence[float], chosen: Sequence[int] | None = None) -> "Series":
        """Other values at the chosen places (all of them)."""
        chosen = range(len(self)) if chosen is None else chosen
        rows, x = tuple(self.rows[i] for i in chosen), tuple(self.x[i] for i in chosen)
        return Series(self.name, self.meaning, self.unit, rows, x, tuple(values))

    def said(self, value: float) -> str:
        """A value with its unit, as a person writes it."""
        return f"{value:.4g} {self.unit}".strip()
