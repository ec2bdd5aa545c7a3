"""The contract of a story: a reported failure as a small run whose cause is known by construction.

A story is a subclass of `Story` in any file of this folder; it is found by being there. Its first
docstring line tells the field report, its class name in small letters with hyphens is its name.
`wellposed explain --stories` trains every one, explains it by replay as any other run, and says
whether the true cause was convicted and the popular wrong ones acquitted.

    class PhaseByAngle(Story):
        '''NaN in the second epoch, told as a state that explodes; clamps were the cure.'''

        system = Angled                    # a System of a few lines, in the same file
        changes = {**SMALL, "loss.phase": 0.4}
        symptom = Symptom(steps=40, codes=("WP301", "WP302"))
        causes = ("drop-term:phase",)
        innocent = ("clamp-states", "rate:0.25")

**The system.** Where the failure is in the recipe, `system` is the real one. Where it is in code,
it is a subclass of the real one with the fault in it, at the top level of the file (worker
processes import it), and everything that a diagnosis wants to change is a class attribute, read in
`build` or `terms`. A `Variant` changes one such attribute:

    class Angled(Enhance):
        clamped: bool = False

        def interventions(self) -> list[Intervention]:
            return [
                *super().interventions(),
                Variant("clamp-states", "clamp the states at 100", {"clamped": True}),
            ]

`with_recipe` must return the same class: `Enhance.with_recipe` does not; a one-line override does.
The attributes that a `Variant` sets are carried over for you.

**Names.** `causes` and `innocent` name interventions (`wellposed.engine.interventions`):
`drop-term:NAME`, `reweight-term:NAME:FACTOR`, `freeze:NETWORK`, `reset-network:NETWORK`,
`reset-moments`, `rate:FACTOR` (so many times as many steps are taken for it), `clip:NORM`,
`float64`, `deterministic`, `skip-batch:STEP`, `repeat-batch:STEP`, `without-item:NUMBER`,
`recipe:KEY=VALUE` (any change of the recipe), and what the system itself adds by name.

**The symptom** must show in the unchanged run within a few seconds to a minute of one core (a story
is replayed some 50 times within 10 minutes of two cores), and for other seeds too. A finding of
the guard is best; where the guard has no code for it, a figure and a bound, the bound with its
reason beside it. It may be the mean of a validation ("valid/level_error_db").
"""

from collections.abc import Mapping
from typing import Any, ClassVar

from wellposed.engine.explain.symptom import Symptom
from wellposed.engine.problem import problem_of
from wellposed.engine.recipe import Recipe, changed
from wellposed.engine.system import System
from wellposed.faults.named import Changes, Named
from wellposed.guard.audit.problem import audit_problem


def codes_audited(system: System[Any], question: str) -> set[str]:
    """What the audit of an untrained system finds by one question, for `Story.shown_by_audit`."""
    return {each.code for each in audit_problem(problem_of(system), only=(question,)).findings}


class Story(Named):
    """A field report's failure; a subclass is one story, told by its docstring's first line."""

    system: ClassVar[type[System[Any]]]
    """The system that is trained, importable by another process."""
    changes: ClassVar[Changes] = {}
    """Its recipe, as differences from the defaults: small."""
    symptom: ClassVar[Symptom]
    """What it shows, and after how many steps."""
    causes: ClassVar[tuple[str, ...]]
    """Interventions that remove the true cause: every one must be convicted."""
    innocent: ClassVar[tuple[str, ...]] = ()
    """Interventions that popular but wrong diagnoses ask for: every one must be acquitted."""
    source: ClassVar[str] = ""
    """What is known of the failure, and how it was measured."""

    @classmethod
    def recipe(cls, seed: int = 0) -> Recipe:
        """The small recipe under a seed. Raises RecipeError for changes that do not fit."""
        return changed(cls.system.recipe_type(), {**cls.changes, "seed": seed}, cls.name())

    @classmethod
    def shown_by_audit(cls) -> Mapping[str, bool]:
        """What the story must show without a replay, by a sentence, and whether it does.

        Such as a path between bands that is missing, which an audit of the untrained system sees.
        """
        return {}
