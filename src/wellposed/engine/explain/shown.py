"""What the replays with nothing suspected showed, and whether the budget lasted."""

from collections.abc import Sequence
from dataclasses import dataclass

from wellposed.engine.explain.budget import as_budget
from wellposed.engine.explain.job import Outcome


@dataclass(frozen=True)
class Shown:
    """The controls, and how the replays ended."""

    first: Outcome | None
    """Of the run with nothing changed; None: it was not begun."""
    randomness: str
    """What the pairs differ in: "seed", "jitter" or "none"."""
    controls: Sequence[Outcome] = ()
    """Those of the pairs."""
    short: bool = False
    """Whether the budget ended replays, or left some out."""
    needed_s: float | None = None
    """What all replays would have taken, where that is known."""

    @property
    def reproduced(self) -> bool:
        """Whether the run shows its symptom again."""
        return self.first is not None and self.first.shown

    @property
    def same_bits(self) -> bool | None:
        """Whether what it logged was what the run had; None: nothing to compare with."""
        return None if self.first is None or not self.first.compared else not self.first.differs

    @property
    def larger(self) -> str:
        """A budget that would have done, as `--budget` takes it; "" if none is known."""
        return as_budget(self.needed_s) if self.short and self.needed_s else ""

    def text(self) -> str:
        """Say it of the run with nothing changed."""
        first = self.first
        if first is None:
            return "the budget ended before the run was replayed"
        if first.unfinished:
            shows = f"the budget ended at step {first.step} of {first.last}; not shown by then"
        else:
            shows = f"shows it at step {first.step}" if first.shown else "does not show it"
        same = f", with the bits of {first.compared} logged rows" if first.compared else ""
        return f"{shows}; {first.differs}" if first.differs else f"{shows}{same}"
