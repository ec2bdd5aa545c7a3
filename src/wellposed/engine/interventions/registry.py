"""Interventions by name, and those that a system can be asked to try."""

from collections.abc import Callable
from difflib import get_close_matches
from typing import Any

from wellposed.engine.interventions.arithmetic import Deterministic, Float64, WithoutClamps
from wellposed.engine.interventions.controls import Jitter, Seed
from wellposed.engine.interventions.intervention import Intervention, RecipeChange
from wellposed.engine.interventions.networks import Freeze, Initialise, ResetNetwork
from wellposed.engine.interventions.optimiser import Clip, Rate, ResetMoments
from wellposed.engine.interventions.scenes import OtherOrder, RepeatBatch, SkipBatch, WithoutItem
from wellposed.engine.interventions.terms import DropTerm, ReweightTerm, all_terms
from wellposed.engine.system import System
from wellposed.errors import RecipeError

LESS, MORE = 0.1, 10.0
"""Factors of a term's weight that are tried: an order of magnitude, so that a balance that is off
by half of one is put right."""
SLOWER = 0.25
"""Factor of the rate that is tried, for 4 times as many steps; a budget pays for no more."""


def _reweight(text: str) -> ReweightTerm:
    term, _, factor = text.rpartition(":")
    if not term:
        raise ValueError(f"reweight-term:{text}: wanted reweight-term:NAME:FACTOR")
    return ReweightTerm(term, float(factor))


KINDS: dict[str, Callable[[str], Intervention]] = {
    "drop-term": DropTerm,
    "reweight-term": _reweight,
    "freeze": Freeze,
    "reset-network": ResetNetwork,
    "initialise": Initialise,
    "rate": lambda text: Rate(float(text)),
    "clip": lambda text: Clip(float(text)),
    "skip-batch": lambda text: SkipBatch(int(text)),
    "repeat-batch": lambda text: RepeatBatch(int(text)),
    "without-item": lambda text: WithoutItem(int(text)),
    "other-order": lambda text: OtherOrder(int(text)),
    "recipe": RecipeChange.of,
    "jitter": lambda text: Jitter(int(text)),
    "seed": lambda text: Seed(int(text)),
}
"""First word of a name, and what reads the rest of it."""
FIRST_PHASE = RecipeChange(
    "first-phase", "stay in the first phase of the curriculum", (("curriculum", ()),)
)
PLAIN: tuple[Intervention, ...] = (
    ResetMoments(), Float64(), Deterministic(), WithoutClamps(), FIRST_PHASE,
)  # fmt: skip
"""Those whose name is one word."""


def named(name: str, system: System[Any]) -> Intervention:
    """The intervention of that name, one of the system's own first.

    Raises RecipeError: there is none, or what follows the colon cannot be read.
    """
    single = {each.name: each for each in (*PLAIN, *system.interventions())}
    if name in single:
        return single[name]
    kind, colon, rest = name.partition(":")
    if kind not in KINDS or not colon:
        known = [*single, *(f"{kind}:..." for kind in KINDS)]
        near = get_close_matches(name, [*single, *KINDS], n=1)
        hint = f", did you mean {near[0]}?" if near else f". There are: {', '.join(known)}."
        raise RecipeError(f"there is no intervention {name!r}{hint}")
    try:
        return KINDS[kind](rest)
    except ValueError as error:
        raise RecipeError(f"intervention {name!r}: {error}") from None


def offered(system: System[Any], step: int) -> list[Intervention]:
    """What can be tried on any run of a system whose symptom came at `step`; its own first."""
    terms = [name for name, weight in all_terms(system).items() if weight]
    networks = list(dict.fromkeys(name for each in system.players for name in each.networks))
    several = networks if len(networks) > 1 else []
    begun = any(each.from_step <= step for each in system.recipe.curriculum)
    return [
        *system.interventions(),
        *([FIRST_PHASE] if begun else []),
        *(DropTerm(term) for term in terms),
        *(ReweightTerm(term, factor) for term in terms for factor in (LESS, MORE)),
        *(Freeze(network) for network in several),
        *(ResetNetwork(network) for network in several),
        WithoutClamps(),
        Float64(),
        ResetMoments(),
        Clip(system.recipe.optimizer.clip_norm / 10),
        Rate(SLOWER),
        SkipBatch(step),
    ]
