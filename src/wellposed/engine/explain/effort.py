"""How long replays take: told before the first of them, and again where the budget was too small.

Replays go on side by side, but in rounds that wait for each other: the run itself, then with each
suspect's change, the pilots, and pairs until all is judged (`explaining`).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from wellposed.engine.explain.budget import as_budget
from wellposed.engine.explain.evidence import LEVEL, smallest_acquittal, smallest_conviction
from wellposed.engine.storage.history import read_history
from wellposed.engine.telling.figures import clock, counted, number

PILOTS = 3
"""Controls with other randomness that say which kind of it the pairs get; not counted."""


@dataclass(frozen=True)
class Effort:
    """What is to be done, and how fast it goes."""

    steps: int
    """Steps of a replay."""
    stretches: tuple[float, ...]
    """How many times as many steps each suspect needs."""
    workers: int
    step_s: float | None
    """Time of a step; None: not known."""
    level: float = LEVEL
    """Share of false verdicts that is allowed."""

    @property
    def pairs(self) -> int:
        """Pairs that clear suspects need, the guilty and the innocent."""
        suspects = max(1, len(self.stretches))
        return max(smallest_conviction(suspects, self.level), smallest_acquittal(self.level))

    @property
    def replays(self) -> int:
        """Replays until all suspects are judged, if they are clear."""
        suspects = len(self.stretches)
        return 1 + suspects + PILOTS + self.pairs * (1 + suspects)

    @property
    def replay_s(self) -> float | None:
        """Time of a replay."""
        return None if self.step_s is None else self.steps * self.step_s

    @property
    def needed_s(self) -> float | None:
        """Time for all of them."""
        if self.replay_s is None:
            return None
        rounds = [(1.0,), self.stretches, (1.0,) * PILOTS]
        rounds += [(1.0, *self.stretches)] * self.pairs
        return self.replay_s * sum(_lasts(each, max(1, self.workers)) for each in rounds)

    def one(self) -> "Effort":
        """The same for the suspect that is quickest to try."""
        return replace(self, stretches=tuple(sorted(self.stretches)[:1]))

    def lines(self, budget_s: float) -> Iterator[str]:
        """Say it before the first replay, and what to do if the budget does not hold it."""
        suspects, where = len(self.stretches), counted(max(1, self.workers), "process", "processes")
        yield (
            f"the symptom needs {counted(self.steps, 'step')}; {self.replays} replays judge "
            f"{counted(suspects, 'suspect')}"
        )
        needed, least = self.needed_s, self.one().needed_s
        if self.step_s is None or self.replay_s is None or needed is None or least is None:
            yield "how long they take is not known: the run has not logged two rows"
            return
        yield (
            f"at the run's own {number(self.step_s)} s a step: {clock(self.replay_s)} a replay, "
            f"about {clock(needed)} for all on {where}"
        )
        if budget_s < least:
            yield (
                f"the budget of {clock(budget_s)} holds no verdict, not even of one suspect: "
                f"--budget {as_budget(needed)} would hold all, --budget {as_budget(least)} one of "
                "them named by --suspects; going on as far as it lasts"
            )
        elif budget_s < needed:
            yield (
                f"the budget of {clock(budget_s)} may end before all are judged: "
                f"--budget {as_budget(needed)} would hold them, or fewer --suspects"
            )


def _lasts(stretches: Sequence[float], workers: int) -> float:
    """Time of a round in replays: no shorter than its longest, no shorter than the work."""
    return max(sum(stretches) / workers, max(stretches, default=0.0))


def pace(history: str, start: int) -> float | None:
    """Seconds a step of the run, validations among them, from `start` on if it logged that twice.

    `history` is the file of its rows; "" for none.
    """
    rows = read_history(Path(history)) if history else []
    trained = [row for row in rows if row.get("kind") == "train"]
    return _slope([row for row in trained if row["step"] >= start]) or _slope(trained)


def _slope(rows: Sequence[Mapping[str, Any]]) -> float | None:
    if not rows or rows[-1]["step"] <= rows[0]["step"]:
        return None
    return (rows[-1]["time_s"] - rows[0]["time_s"]) / (rows[-1]["step"] - rows[0]["step"])
