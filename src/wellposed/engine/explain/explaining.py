"""The reasoning: controls first, then pairs of replays until every suspect is judged.

Round 0 replays the run itself, with nothing changed and with each suspect's intervention: it shows
what happens here, and proves nothing of chance, since this run was chosen for its symptom. All
other rounds are pairs under other randomness, of which the test counts.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import yaml

from wellposed.engine.explain.evidence import LEVEL, Wealth, as_number
from wellposed.engine.explain.job import Case, Job, Outcome
from wellposed.engine.explain.verdict import Explanation, Verdict, Word, ranked, sentence
from wellposed.engine.explain.workers import Doing
from wellposed.engine.interventions.intervention import Intervention, as_yaml
from wellposed.engine.interventions.registry import named
from wellposed.engine.randomness import key
from wellposed.engine.recipe import Recipe, parse
from wellposed.engine.system import System

PILOTS = 3
"""Controls with other randomness that say which kind of it the pairs get; not counted."""
ROUNDS = 12
"""Pairs at most: what is undecided then would take many more."""
SEEDS = 1 << 31
CONTROL = "control"
Say = Callable[[str], None]


@dataclass
class _Suspect:
    intervention: Intervention
    wealth: Wealth = field(default_factory=Wealth)
    original: bool | None = None
    differences: list[float] = field(default_factory=list)
    brought: list[set[str]] = field(default_factory=list)
    why: str = ""

    def open(self, suspects: int) -> bool:
        return not (self.why or self.wealth.convicts(suspects) or self.wealth.acquits())


@dataclass
class Explaining:
    """One explanation in the making."""

    case: Case
    doing: Doing
    budget_s: float
    workers: int
    say: Say = lambda line: None

    def explain(self, finding: str, title: str, names: Sequence[str]) -> Explanation:
        """Try the interventions of these names. Raises RecipeError: one does not exist."""
        self._began, self._replays, self._processor_s = time.monotonic(), 0, 0.0
        kind = self.case.kind()
        recipe = parse(kind.recipe_type, yaml.safe_load(self.case.recipe), "recipe")
        system = kind(recipe)
        suspects = [_Suspect(named(name, system)) for name in names]
        for each in suspects:
            each.why = each.intervention.refusal(system, self.case.start)
        first = self._do([Job(self.case, (), CONTROL)]).get(CONTROL)
        reproduced = first is not None and first.shown
        randomness, controls = "none", []
        if reproduced:
            self._round_of_the_run(suspects)
            randomness = self._pilot(recipe)
        if randomness != "none":
            controls = self._rounds(suspects, recipe, randomness)
        return self._told(finding, title, system, first, randomness, controls, suspects)

    def _do(self, jobs: list[Job]) -> dict[str, Outcome]:
        found = {}
        for outcome in self.doing(jobs):
            found[outcome.key] = outcome
            self._replays += 1
            self._processor_s += outcome.processor_s
            told = outcome.refused or ("shows it" if outcome.shown else "does not show it")
            self.say(f"{outcome.key}: {told} ({outcome.step} steps, {outcome.seconds:.1f} s)")
        return found

    def _round_of_the_run(self, suspects: list[_Suspect]) -> None:
        jobs = [
            Job(self.case, (each.intervention.name,), f"0 {each.intervention.name}")
            for each in suspects
            if not each.why
        ]
        found = self._do(jobs)
        for each in suspects:
            outcome = found.get(f"0 {each.intervention.name}")
            if outcome is not None:
                each.why = outcome.refused
                each.original = None if outcome.refused else outcome.shown

    def _pilot(self, recipe: Recipe) -> str:
        """Which other randomness shows the symptom in most of the pilots."""
        for randomness in ("seed", "jitter"):
            jobs = [
                Job(self.case, (_other(randomness, recipe, -1 - n),), f"pilot {randomness} {n}")
                for n in range(PILOTS)
            ]
            found = self._do(jobs)
            if 2 * sum(each.shown for each in found.values()) > PILOTS:
                return randomness
        return "none"

    def _rounds(self, suspects: list[_Suspect], recipe: Recipe, randomness: str) -> list[Outcome]:
        count = sum(not each.why for each in suspects)
        controls: list[Outcome] = []
        for number in range(1, ROUNDS + 1):
            waiting = [each for each in suspects if each.open(count)]
            if not waiting:
                break
            other = _other(randomness, recipe, number)
            jobs = [Job(self.case, (other,), f"{number} {CONTROL}")]
            jobs += [
                Job(
                    self.case, (other, each.intervention.name), f"{number} {each.intervention.name}"
                )
                for each in waiting
            ]
            found = self._do(jobs)
            control = found.get(f"{number} {CONTROL}")
            if control is None:
                break
            controls.append(control)
            for each in waiting:
                treated = found.get(f"{number} {each.intervention.name}")
                if treated is not None and not treated.refused:
                    _see(each, control, treated)
        return controls

    def _told(
        self,
        finding: str,
        title: str,
        system: System[Any],
        first: Outcome | None,
        randomness: str,
        controls: list[Outcome],
        suspects: list[_Suspect],
    ) -> Explanation:
        case, count = self.case, sum(not each.why for each in suspects)
        verdicts = ranked([_verdict(each, system.recipe, count) for each in suspects])
        reproduced = first is not None and first.shown
        text = case.symptom.text()
        return Explanation(
            finding=finding,
            title=title,
            symptom=case.symptom.to_json(),
            symptom_text=text,
            system=system.name,
            start=case.start,
            source=case.checkpoint.rpartition("/")[2] or "the start",
            randomness=randomness,
            reproduced=reproduced,
            same_bits=None if first is None or not first.compared else not first.differs,
            control=_control_text(first),
            controls=len(controls),
            controls_shown=sum(each.shown for each in controls),
            verdicts=verdicts,
            sentence=sentence(text, reproduced, randomness, verdicts),
            untested=_untested(system, case.start, randomness, verdicts),
            replays=self._replays,
            seconds=time.monotonic() - self._began,
            processor_s=self._processor_s,
            budget_s=self.budget_s,
            workers=self.workers,
            level=LEVEL,
        )


def _other(randomness: str, recipe: Recipe, number: int) -> str:
    """Name of the intervention that gives a replay other randomness; a function of its number."""
    value = key(recipe.seed, "explain", randomness, number) % SEEDS
    return f"{randomness}:{value}"


def _see(suspect: _Suspect, control: Outcome, treated: Outcome) -> None:
    suspect.wealth.see(control.shown, treated.shown)
    if control.figure is not None and treated.figure is not None:
        suspect.differences.append(treated.figure - control.figure)
    suspect.brought.append(_grave(treated) - _grave(control))


def _grave(outcome: Outcome) -> set[str]:
    return {code for code, severity in outcome.findings if severity != "INFO"}


def _verdict(suspect: _Suspect, recipe: Recipe, count: int) -> Verdict:
    each, wealth = suspect.intervention, suspect.wealth
    word: Word = "undecided"
    if suspect.why:
        word = "untested"
    elif wealth.convicts(count):
        word = "convicted"
    elif wealth.acquits():
        word = "acquitted"
    low, high = wealth.interval()
    changes = dict(each.proposal(recipe))
    codes = {code for found in suspect.brought for code in found}
    often = [c for c in codes if 2 * sum(c in found for found in suspect.brought) > wealth.pairs]
    differences = suspect.differences
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
        original=suspect.original,
        wealth_against_nothing=as_number(wealth.log_does_nothing),
        wealth_against_removal=as_number(wealth.log_removes),
        brings=tuple(sorted(often)),
        why=suspect.why,
    )


def _control_text(first: Outcome | None) -> str:
    if first is None:
        return "the budget ended before the run was replayed"
    shows = f"shows it at step {first.step}" if first.shown else "does not show it"
    same = f", with the bits of {first.compared} logged rows" if first.compared else ""
    return f"{shows}; {first.differs}" if first.differs else f"{shows}{same}"


def _untested(
    system: System[Any], start: int, randomness: str, verdicts: tuple[Verdict, ...]
) -> tuple[str, ...]:
    said = [f"{each.name}: {each.why}" for each in verdicts if each.word == "untested"]
    said += [
        f"{each.name}: undecided after {each.pairs} pairs"
        for each in verdicts
        if each.word == "undecided"
    ]
    if randomness == "jitter":
        said.append(
            "other data: under other seeds the symptom came in too few replays, so that all pairs "
            "have the scenes of the run, with weights moved by a little"
        )
    if randomness == "none":
        said.append("chance: no other randomness has shown the symptom often enough")
    if start:
        said.append(f"what happened before step {start}, where all replays began")
    said.append("the code of the network and of the scenes, beyond what the system names itself")
    if not system.interventions():
        said.append(f"the system {system.name} names no interventions of its own")
    return tuple(said)
