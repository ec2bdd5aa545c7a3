"""Which interventions are tried for a symptom, where nobody says: cheap exclusions by its code.

What a system names itself and every term of its loss are always suspects. The rest is left out
where it cannot bear on the symptom, so that the budget goes where the answer may be.
"""

from typing import Any

from wellposed.engine.explain.symptom import Symptom
from wellposed.engine.interventions.intervention import Intervention
from wellposed.engine.interventions.registry import offered
from wellposed.engine.system import System

NONFINITE = {"WP301", "WP302", "WP303", "WP304", "WP316"}
"""A value that is no number any more."""
OF_A_BATCH = NONFINITE | {"WP311", "WP314", "WP105"}
"""Where one batch may have done it."""
OF_CLAMPS = {"WP305", "WP306"}

LEFT_OUT = {
    "reweight-term": NONFINITE,
    "initialise": set(),
}
"""Kinds that are left out for these codes: a number that is none stays so at any weight but 0."""
ONLY_FOR = {"skip-batch": OF_A_BATCH, "float64": NONFINITE | {"WP318"}}
"""Kinds that are tried for these codes alone."""


def suspected(system: System[Any], symptom: Symptom, step: int, start: int) -> list[Intervention]:
    """What is tried, most telling first; what cannot be tried from `start` on is left out."""
    codes = set(symptom.codes)
    own = {each.name for each in system.interventions()}

    def bears(each: Intervention) -> bool:
        kind = each.name.partition(":")[0]
        if each.name in own:
            return True
        wanted = kind not in ONLY_FOR or bool(codes & ONLY_FOR[kind])
        return wanted and not codes & LEFT_OUT.get(kind, set())

    chosen = [each for each in offered(system, step) if bears(each)]
    return [each for each in chosen if not each.refusal(system, start)]
