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
from wellposed.systems.locate.declaration import NEEDED, measured_of
from wellposed.systems.locate.loading import WEIGHTS
from wellposed.systems.locate.recipe import LocateRecipe
from wellposed.systems.locate.scenes import generator_of, item_of, surface_of
from wellposed.systems.locate.scoring import bound_of
from wellposed.systems.locate.system import LocateSystem

SCENES = 8
"""Scenes for each number of sources; their median bound is told."""


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
    setting = f"given: {given}; {recipe.scenes.measurements[0]} to "
    setting += f"{recipe.scenes.measurements[1]} codes, Fisher information at the true places"
    return Audit("measurements", setting, tuple(answers), numbers, time.process_time() - began)


def _asked(
    recipe: LocateRecipe, sources: int
) -> tuple[Identifiability, list[int], dict[str, float]]:
    """The Jacobian of one scene; Fisher ranks and median bounds of several."""
    few = recipe.scenes.measurements[0]
    scenes = recipe.scenes.model_copy(
        update={"sources": (sources, sources), "measurements": (few, few)}
    )
    generator = generator_of(scenes, recipe.seed)
    items = [item_of(generator, scenes, sources, "test", number) for number in range(SCENES)]
    made = identifiability(*measured_of(recipe, items[0]))
    if recipe.scenes.give != "channel":
        return made, [], {}
    elements = surface_of(scenes).elements
    fishers = [bound_of(elements, item) for item in items]
    spread = torch.stack([each.deviations(sources) for each in fishers]).median(-1).values
    middle = spread.median(0).values.tolist()
    names = ("azimuth_bound_deg", "elevation_bound_deg", "range_bound_m")
    units = (math.degrees(1), math.degrees(1), 1.0)
    bounds = {n: u * m for n, u, m in zip(names, units, middle, strict=True)}
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
    short = sum(rank < 3 * sources for rank in ranks)
    if known and made.sufficient and not short:
        azimuth, elevation, away = bounds.values()
        return Answer(
            "existence",
            f"{what}: {made.measurements} real measurements determine {made.unknowns} unknowns, "
            f"condition {made.condition:.2g}; Fisher rank {3 * sources} of {3 * sources} in "
            f"{len(ranks)} of {len(ranks)} scenes; median bound {azimuth:.2g} deg, "
            f"{elevation:.2g} deg, {away:.2g} m",
        )
    not_given = "" if known else f"; not given: {NEEDED}"
    rank = made.wanted_rank if not known else min([*ranks, made.wanted_rank])
    return bad(
        "existence",
        "WP122",
        Severity.FAIL,
        f"{what}: the places are not determined: {made}; Fisher rank {rank} of "
        f"{3 * sources} wanted{not_given}",
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
            else ("too few measurements", "raise scenes.measurements and ask again"),
        ),
        advice="whatever the places, some H explains all that is given: no network and no loss "
        "can learn what its inputs do not hold"
        if not known
        else "measure more, or ask for fewer sources: what is free can only be guessed",
    )
