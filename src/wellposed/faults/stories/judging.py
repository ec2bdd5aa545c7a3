"""A story explained, and whether the explanation is right."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from wellposed.engine.explain.budget import Budget
from wellposed.engine.explain.explaining import Explaining
from wellposed.engine.explain.job import Case, importable
from wellposed.engine.explain.verdict import Explanation
from wellposed.engine.explain.workers import doing
from wellposed.engine.recipe import dump
from wellposed.faults.stories.story import Story


@dataclass(frozen=True)
class Judged:
    """One story, one seed."""

    story: str
    seed: int
    explanation: Explanation
    causes: tuple[str, ...]
    innocent: tuple[str, ...]
    shown: Mapping[str, bool]
    """What must be shown without a replay, and whether it was."""

    @property
    def missed(self) -> tuple[str, ...]:
        """True causes that were not convicted."""
        return tuple(each for each in self.causes if each not in self.explanation.convicted)

    @property
    def accused(self) -> tuple[str, ...]:
        """Innocents that were not acquitted."""
        return tuple(each for each in self.innocent if each not in self.explanation.acquitted)

    @property
    def right(self) -> bool:
        """Whether all was as it is known to be."""
        return not self.missed and not self.accused and all(self.shown.values())

    def to_json(self) -> dict[str, Any]:
        """JSON values."""
        return {
            "story": self.story,
            "seed": self.seed,
            "right": self.right,
            "missed": self.missed,
            "accused": self.accused,
            "shown": dict(self.shown),
            "explanation": self.explanation.to_json(),
        }


def judged(story: type[Story], seed: int, budget_s: float, workers: int) -> Judged:
    """Train, explain and judge a story; the replay with nothing changed is its run."""
    case = Case(importable(story.system), dump(story.recipe(seed)), story.symptom)
    with doing(workers, Budget.of(budget_s)) as does:
        reasoning = Explaining(case, does, budget_s, workers)
        told = reasoning.explain(story.name(), story.about(), (*story.causes, *story.innocent))
    shown = story.shown_by_audit()
    return Judged(story.name(), seed, told, story.causes, story.innocent, shown)


COLUMNS = (
    f"{'story':<26}{'seed':>4}{'convicted':>11}{'acquitted':>11}{'shown':>7}{'replays':>9}"
    f"{'seconds':>9}{'of CPU':>8}  verdict"
)


def line(each: Judged) -> str:
    """A row of the table, and what went wrong."""
    told = each.explanation
    guilty = f"{len(each.causes) - len(each.missed)}/{len(each.causes)}"
    clear = f"{len(each.innocent) - len(each.accused)}/{len(each.innocent)}"
    shown = f"{sum(each.shown.values())}/{len(each.shown)}" if each.shown else "-"
    words = {verdict.name: verdict.word for verdict in told.verdicts}
    wrong = [f"{name} {words[name]}" for name in (*each.missed, *each.accused)]
    wrong += [text for text, was in each.shown.items() if not was]
    if not told.reproduced:
        wrong = ["the symptom did not show"]
    verdict = "right" if each.right else f"wrong: {', '.join(wrong)}"
    return (
        f"{each.story:<26}{each.seed:>4}{guilty:>11}{clear:>11}{shown:>7}{told.replays:>9}"
        f"{told.seconds:>9.0f}{told.processor_s:>8.0f}  {verdict}"
    )


def summary(done: Sequence[Judged]) -> str:
    """How many were right, and the longest."""
    right = sum(each.right for each in done)
    longest = max(each.explanation.seconds for each in done)
    return f"{right} of {len(done)} right; the longest took {longest:.0f} s"
