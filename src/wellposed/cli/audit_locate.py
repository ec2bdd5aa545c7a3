"""What `wellposed audit locate` asks besides the problem: what the measurements can tell at all.

For 1, 2 ... sources, at test scenes of the recipe: measurements against unknowns, rank and
condition of the Jacobian, rank of the Fisher information on the places, and the bound that
follows; and what the network is not given that it would need.
"""

import math
import time

import torch

from wellposed.cli.audit_enhance import Question
from wellposed.cli.audit_run import audit_run
from wellposed.guard.audit import Audit, merged
from wellposed.guard.audit.verdict import Answer, Numbers, bad
from wellposed.guard.findings import Severity
from wellposed.metrics.bounds.identifiability import Identifiability, identifiability
from wellposed.systems.locate.declaration import NEEDED, with_sources
from wellposed.systems.locate.loading import WEIGHTS
from wellposed.systems.locate.recipe import LocateRecipe
from wellposed.systems.locate.scenes import front_of
from wellposed.systems.locate.system import LocateSystem

SCENES = 8
"""Scenes for each number of sources; their median bound is told."""
UNITS = (
    ("azimuth", "deg", math.degrees(1)), ("elevation", "deg", math.degrees(1)), ("range", "m", 1.0)
)  # fmt: skip
"""Of the coordinates in their order; a line has the first one."""


def audit_locate(question: Question) -> Audit:
    """Audit a recipe: that of the model, or the default. Raises CheckpointError as its loader."""
    if question.model is None:
        recipe = LocateRecipe(seed=question.seed)
    else:
        recipe = WEIGHTS.recipe_of(WEIGHTS.find(question.model))
    return audit_recipe(recipe, quick=question.quick)


def audit_recipe(recipe: LocateRecipe, *, quick: bool) -> Audit:
    """Ask what can be known, then the problem; where nothing can, the problem is not asked."""
    asked = audit_measurements(recipe)
    if asked.worst == Severity.FAIL:
        return asked
    system = LocateSystem(recipe)
    return merged("locate", [asked, audit_run(system, torch.device("cpu"), quick=quick)])


def audit_measurements(recipe: LocateRecipe) -> Audit:
    """Say what the measurements determine, scene by scene of 1, 2 ... sources."""
    began = time.process_time()
    known = recipe.scenes.give == "channel"
    low, high = recipe.scenes.sources
    # Unknown entries of H are 4608: their Jacobian is asked once.
    orders = range(low, high + 1) if known else range(low, low + 1)
    answers: list[Answer] = []
    numbers: Numbers = {}
    for sources in orders:
        made, ranks, bounds = _asked(recipe, sources)
        numbers[f"measurements_{sources}"] = made.measurements
        numbers[f"unknowns_{sources}"] = made.unknowns
        numbers[f"condition_{sources}"] = made.condition
        numbers |= {f"{name}_{sources}": value for name, value in bounds.items()}
        answers.append(_answer(sources, made, ranks, bounds, known=known))
    given = "H, its operator stacked over all codes" if known else "H w of every code, not H"
    if recipe.scenes.kind == "line":
        given = "snapshots of all sensors"
    setting = f"given: {given}; {front_of(recipe).told()}; Fisher information at the true places"
    return Audit("measurements", setting, tuple(answers), numbers, time.process_time() - began)


def _asked(
    recipe: LocateRecipe, sources: int
) -> tuple[Identifiability, list[int], dict[str, float]]:
    """The Jacobian of one scene; Fisher ranks and median bounds of several."""
    front = front_of(with_sources(recipe, sources))
    items = [front.item("test", number, sources) for number in range(SCENES)]
    made = identifiability(*front.observation(items[0]))
    if recipe.scenes.give != "channel":
        return made, [], {}
    fishers = [front.bound(item) for item in items]
    spread = torch.stack([each.deviations(sources) for each in fishers]).median(-1).values
    middle = spread.median(0).values.tolist()
    bounds = {
        f"{name}_bound_{unit}": scale * value
        for (name, unit, scale), value in zip(UNITS, middle, strict=False)
    }
    return made, [int(each.rank()) for each in fishers], bounds


def _answer(
    sources: int,
    made: Identifiability,
    ranks: list[int],
    bounds: dict[str, float],
    *,
    known: bool,
) -> Answer:
    what = "1 source" if sources == 1 else f"{sources} sources"
    wanted = made.wanted
    short = sum(rank < wanted for rank in ranks)
    if known and made.sufficient and not short:
        told = ", ".join(f"{each:.2g} {name.split('_')[-1]}" for name, each in bounds.items())
        return Answer(
            "existence",
            f"{what}: {made.measurements} real measurements determine {made.unknowns} unknowns, "
            f"condition {made.condition:.2g}; Fisher rank {wanted} of {wanted} in "
            f"{len(ranks)} of {len(ranks)} scenes; median bound {told}",
        )
    not_given = "" if known else f"; not given: {NEEDED}"
    rank = made.wanted_rank if not known else min([*ranks, made.wanted_rank])
    more = "measurements" if "range_bound_m" in bounds else "line.sensors"
    return bad(
        "existence",
        "WP122",
        Severity.FAIL,
        f"{what}: the places are not determined: {made}; Fisher rank {rank} of "
        f"{wanted} wanted{not_given}",
        {
            "subject": "places",
            "rank": made.rank,
            "unknowns": made.unknowns,
            "measurements": made.measurements,
            "wanted_rank": made.wanted_rank,
            "wanted": made.wanted,
        },
        suspects=(
            ("what is given", "give the network H (scenes.give: channel) and ask again")
            if not known
            else ("too few measurements", f"raise scenes.{more} and ask again"),
        ),
        advice="whatever the places, some H explains all that is given: no network and no loss "
        "can learn what its inputs do not hold"
        if not known
        else "measure more, or ask for fewer sources: what is free can only be guessed",
    )
