"""What was seen of the suspects becomes an explanation: verdicts, a sentence, what is not known."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from wellposed.engine.explain.evidence import Wealth, as_number
from wellposed.engine.explain.job import Outcome
from wellposed.engine.explain.shown import Shown
from wellposed.engine.explain.verdict import Verdict, Word, ranked
from wellposed.engine.interventions.intervention import Intervention, as_yaml
from wellposed.engine.recipe import Recipe
from wellposed.engine.system import System
from wellposed.engine.telling.figures import counted

NAMED = 3
"""Untouched suspects that are named at the end; of more only the number is told, once more."""


@dataclass
class Suspect:
    """An intervention, and what was seen of it so far."""

    intervention: Intervention
    wealth: Wealth = field(default_factory=Wealth)
    original: bool | None = None
    differences: list[float] = field(default_factory=list)
    brought: list[set[str]] = field(default_factory=list)
    why: str = ""
    """Why it cannot be tested."""
    cut: str = ""
    """Where the budget ended a replay of it."""

    @property
    def name(self) -> str:
        """Name of the intervention."""
        return self.intervention.name

    def open(self, suspects: int, level: float) -> bool:
        """Whether more pairs would tell more."""
        known = self.wealth.convicts(suspects, level) or self.wealth.acquits(level)
        return not (self.why or known)

    def see(self, control: Outcome, treated: Outcome) -> None:
        """Take in a pair."""
        self.wealth.see(control.shown, treated.shown)
        if control.figure is not None and treated.figure is not None:
            self.differences.append(treated.figure - control.figure)
        self.brought.append(_grave(treated) - _grave(control))

    def verdict(self, recipe: Recipe, count: int, level: float) -> Verdict:
        """Say what the pairs say, when so many suspects were asked for at once."""
        each, wealth = self.intervention, self.wealth
        word: Word = "undecided"
        if self.why:
            word = "untested"
        elif wealth.convicts(count, level):
            word = "convicted"
        elif wealth.acquits(level):
            word = "acquitted"
        low, high = wealth.interval(level)
        changes = dict(each.proposal(recipe))
        codes = {code for found in self.brought for code in found}
        often = [c for c in codes if 2 * sum(c in found for found in self.brought) > wealth.pairs]
        differences = self.differences
        return Verdict(
            name=each.name,
            about=each.about,
            word=word,
            blunt=each.blunt,
            recipe=changes,
            yaml=as_yaml(changes),
            pairs=wealth.pairs,
            removed=wealth.removed,
            kept=wealth.kept,
            share=wealth.share if wealth.removed + wealth.kept else None,
            low=low,
            high=high,
            figure_difference=sum(differences) / len(differences) if differences else None,
            original=self.original,
            wealth_against_nothing=as_number(wealth.log_does_nothing),
            wealth_against_removal=as_number(wealth.log_removes),
            brings=tuple(sorted(often)),
            why=self.why,
        )


@dataclass(frozen=True)
class Judged:
    """All suspects of a case."""

    system: System[Any]
    start: int
    suspects: Sequence[Suspect]
    shown: Shown
    level: float

    def verdicts(self) -> tuple[Verdict, ...]:
        """Say it of each, ranked."""
        count = sum(not each.why for each in self.suspects)
        return ranked(
            [each.verdict(self.system.recipe, count, self.level) for each in self.suspects]
        )

    def untested(self, verdicts: Sequence[Verdict]) -> tuple[str, ...]:
        """What no replay could tell, each in a sentence."""
        cut = {each.name: each.cut for each in self.suspects}
        said = [f"{each.name}: {each.why}" for each in verdicts if each.word == "untested"]
        undecided = [each for each in verdicts if each.word == "undecided"]
        left = [each for each in undecided if each.untouched and not cut[each.name]]
        left = left if len(left) > NAMED else []
        if left:
            said.append(f"{counted(len(left), 'change')} that the budget did not come to")
        open_ones: dict[str, list[str]] = {}
        for each in undecided:
            if each not in left:
                after = f"undecided after {counted(each.pairs, 'pair')}{cut[each.name]}"
                open_ones.setdefault(after, []).append(each.name)
        said += [f"{', '.join(names)}: {after}" for after, names in open_ones.items()]
        if self.shown.randomness == "jitter":
            said.append(
                "other data: under other seeds the symptom came in too few replays, so that all "
                "pairs have the scenes of the run, with weights moved by a little"
            )
        if self.shown.randomness == "none" and not self.shown.short:
            said.append("chance: no other randomness has shown the symptom often enough")
        elif self.shown.randomness == "none":
            said.append("chance: the budget ended before replays with other randomness did")
        if self.start:
            said.append(f"what happened before step {self.start}, where all replays began")
        said.append(
            "the code of the network and of the scenes, beyond what the system names itself"
        )
        if not self.system.interventions():
            said.append(f"the system {self.system.name} names no interventions of its own")
        return tuple(said)


def _grave(outcome: Outcome) -> set[str]:
    return {code for code, severity in outcome.findings if severity != "INFO"}
