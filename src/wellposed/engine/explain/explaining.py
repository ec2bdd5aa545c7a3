"""The reasoning: controls first, then pairs of replays until every suspect is judged.

Round 0 replays the run itself, with nothing changed and with each suspect's intervention: it shows
what happens here, and proves nothing of chance, since this run was chosen for its symptom. All
other rounds are pairs under other randomness, of which the test counts.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import yaml

from wellposed.engine.explain.budget import ENDLESS, Budget
from wellposed.engine.explain.concluding import Judged, Suspect
from wellposed.engine.explain.effort import PILOTS, Effort, pace
from wellposed.engine.explain.evidence import LEVEL
from wellposed.engine.explain.job import Case, Job, Outcome
from wellposed.engine.explain.sentence import sentence
from wellposed.engine.explain.shown import Shown
from wellposed.engine.explain.verdict import Explanation
from wellposed.engine.explain.workers import Doing
from wellposed.engine.interventions.registry import named
from wellposed.engine.randomness import key
from wellposed.engine.recipe import Recipe, parse
from wellposed.engine.telling.figures import clock

ROUNDS = 12
"""Pairs at most: what is undecided then would take many more."""
SEEDS = 1 << 31
CONTROL = "control"
Say = Callable[[str], None]
Found = dict[str, Outcome]


@dataclass
class Explaining:
    """One explanation in the making."""

    case: Case
    doing: Doing
    budget_s: float
    workers: int
    say: Say = lambda line: None
    budget: Budget = ENDLESS
    """The one that `doing` goes by, to say beforehand whether it lasts."""
    level: float = LEVEL
    """Share of false verdicts that is allowed: of all looks together `evidence.LEVEL`."""

    def explain(self, finding: str, title: str, names: Sequence[str]) -> Explanation:
        """Try the interventions of these names. Raises RecipeError: one does not exist."""
        self._began, self._replays, self._processor_s = time.monotonic(), 0, 0.0
        self._steps, self._seconds, self._short = 0, 0.0, False
        kind = self.case.kind()
        recipe = parse(kind.recipe_type, yaml.safe_load(self.case.recipe), "recipe")
        system = kind(recipe)
        suspects = [Suspect(named(name, system)) for name in names]
        for each in suspects:
            each.why = each.intervention.refusal(system, self.case.start)
        effort = self._effort(suspects, pace(self.case.history, self.case.start))
        for line in effort.lines(min(self.budget_s, self.budget.left_s)):
            self.say(line)
        first = self._do([Job(self.case, (), CONTROL)]).get(CONTROL)
        randomness, controls = "none", []
        if first is not None and first.shown:
            if needed := self._needed(suspects):
                self.say(f"at the pace of this replay about {clock(needed)} for all")
            self._round_of_the_run(suspects)
            randomness = self._pilot(recipe)
        if randomness != "none":
            controls = self._rounds(suspects, recipe, randomness)
        shown = Shown(first, randomness, controls, self._short, self._needed(suspects))
        judged = Judged(system, self.case.start, suspects, shown, self.level)
        return self._told(finding, title, judged)

    def _effort(self, suspects: Sequence[Suspect], step_s: float | None) -> Effort:
        steps = self.case.symptom.steps - self.case.start
        stretches = tuple(each.intervention.stretch for each in suspects if not each.why)
        return Effort(steps, stretches, self.workers, step_s, self.level)

    def _needed(self, suspects: Sequence[Suspect]) -> float | None:
        """Time for all, by what replays took here, or the run if none took a step."""
        if self._steps:
            return self._effort(suspects, self._seconds / self._steps).needed_s
        return self._effort(suspects, pace(self.case.history, self.case.start)).needed_s

    def _do(self, jobs: list[Job], of: Mapping[str, Suspect] = MappingProxyType({})) -> Found:
        """Do jobs; those that the budget ended are not among what is found, but the first."""
        found, began = {}, set()
        for outcome in self.doing(jobs):
            if not outcome.begun:
                continue
            began.add(outcome.key)
            self._replays += 1
            self._processor_s += outcome.processor_s
            self._steps += max(0, outcome.step - self.case.start)
            self._seconds += outcome.seconds
            told = outcome.refused or ("shows it" if outcome.shown else "does not show it")
            if outcome.unfinished:
                self._short = True
                told = "ended by the budget"
                if outcome.key in of:
                    where = f"step {outcome.step} of {outcome.last}"
                    of[outcome.key].cut = f"; the budget ended its next replay at {where}"
            if not outcome.unfinished or outcome.key == CONTROL:
                found[outcome.key] = outcome
            self.say(f"{outcome.key}: {told} (step {outcome.step}, {outcome.seconds:.1f} s)")
        self._short |= len(began) < len(jobs)
        return found

    def _round_of_the_run(self, suspects: list[Suspect]) -> None:
        of = {f"0 {each.name}": each for each in suspects if not each.why}
        jobs = [Job(self.case, (each.name,), job) for job, each in of.items()]
        found = self._do(jobs, of)
        for job, each in of.items():
            outcome = found.get(job)
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
            if len(found) < PILOTS:
                # Those that are missing might have shown it.
                return "none"
        return "none"

    def _rounds(self, suspects: list[Suspect], recipe: Recipe, randomness: str) -> list[Outcome]:
        count = sum(not each.why for each in suspects)
        controls: list[Outcome] = []
        for number in range(1, ROUNDS + 1):
            waiting = [each for each in suspects if each.open(count, self.level)]
            if not waiting:
                break
            other = _other(randomness, recipe, number)
            of = {f"{number} {each.name}": each for each in waiting}
            jobs = [Job(self.case, (other,), f"{number} {CONTROL}")]
            jobs += [Job(self.case, (other, each.name), job) for job, each in of.items()]
            found = self._do(jobs, of)
            control = found.get(f"{number} {CONTROL}")
            if control is None:
                break
            controls.append(control)
            for job, each in of.items():
                treated = found.get(job)
                if treated is not None and not treated.refused:
                    each.see(control, treated)
            if self._short:
                # Which replays the budget ended hangs on what they would have shown; a bet may
                # leave out its last pair, but not go on after one that is missing.
                break
        return controls

    def _told(self, finding: str, title: str, judged: Judged) -> Explanation:
        case, shown, verdicts = self.case, judged.shown, judged.verdicts()
        text = case.symptom.text()
        return Explanation(
            finding=finding,
            title=title,
            symptom=case.symptom.to_json(),
            symptom_text=text,
            system=judged.system.name,
            start=case.start,
            source=case.checkpoint.rpartition("/")[2] or "the start",
            randomness=shown.randomness,
            reproduced=shown.reproduced,
            same_bits=shown.same_bits,
            control=shown.text(),
            controls=len(shown.controls),
            controls_shown=sum(each.shown for each in shown.controls),
            verdicts=verdicts,
            sentence=sentence(text, shown, verdicts),
            untested=judged.untested(verdicts),
            replays=self._replays,
            seconds=time.monotonic() - self._began,
            processor_s=self._processor_s,
            budget_s=self.budget_s,
            workers=self.workers,
            level=self.level,
            short=shown.short,
            larger=shown.larger,
        )


def _other(randomness: str, recipe: Recipe, number: int) -> str:
    """Name of the intervention that gives a replay other randomness; a function of its number."""
    value = key(recipe.seed, "explain", randomness, number) % SEEDS
    return f"{randomness}:{value}"
