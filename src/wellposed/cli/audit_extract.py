"""What `wellposed audit extract` asks besides the problem: where the level settles, and why.

One gain is shared by scenes with the target, whose level it holds, and scenes without it, where
less is better. The objective over that gain says where it settles for every weight of the anchor.
Asked with estimates of known quality, so that nothing needs to be trained first.
"""

import math
import time
from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from wellposed.cli.audit_enhance import Question
from wellposed.engine.problem import problem_of
from wellposed.engine.recipe import changed
from wellposed.engine.system import Item
from wellposed.errors import RecipeError
from wellposed.guard.audit import Audit, Items, merged
from wellposed.guard.audit.equilibrium import Equilibrium
from wellposed.guard.audit.problem import audit_problem
from wellposed.guard.audit.terms import Objective, Terms
from wellposed.guard.audit.verdict import Answer, Numbers, bad
from wellposed.guard.findings import Severity
from wellposed.systems.extract.loading import WEIGHTS, load_network
from wellposed.systems.extract.objective import Wanted, signal_terms
from wellposed.systems.extract.recipe import ExtractRecipe
from wellposed.systems.extract.system import ExtractSystem

SCENES = 4
QUALITIES_DB = (5.0, 10.0, 20.0)
"""SNR of the estimates of a target that is there: early, in the middle and late in training."""
HELD = 0.02
"""Share by which a held level may be off: 0.18 dB."""
TRIED = (0.0, *(10 ** (k / 4) for k in range(-4, 13)))
"""Weights of the anchor that are tried: none, and 0.1 to 1000."""
GAINS = [1.01**k for k in range(-60, 6)]
"""From 0.55 to 1.05 in steps of a percent; beyond, no level is held."""
SPOKEN = ("snr", "spectrum", "anchor")

Batch = Mapping[str, Tensor]


def audit_extract(question: Question) -> Audit:
    """Audit the level that a recipe's objective leads to, and its problem.

    The recipe is that of the model, or the default. Its last phase is meant where the level is
    asked, its first where the problem is. Raises CheckpointError and DataError as their loaders
    do; RecipeError: no phase has scenes with and without the target.
    """
    recipe = ExtractRecipe(seed=question.seed)
    if question.model is not None:
        path = WEIGHTS.find(question.model)
        recipe = load_network(path, torch.device("cpu"))[1]
    if question.data is not None:
        recipe = changed(recipe, {"data.path": str(question.data.resolve())}, "--data")
    level = audit_level(recipe)
    problem = audit_problem(problem_of(ExtractSystem(recipe)), question.quick)
    return merged(f"extract ({question.model or 'default recipe'})", [level, problem])


def audit_level(recipe: ExtractRecipe) -> Audit:
    """Say where one gain shared by all scenes settles, and which weight holds it within 2 %."""
    began = time.process_time()
    recipe = recipe.at_step(recipe.training.steps)[1]
    scenes, loss = recipe.scenes, recipe.loss
    if not (scenes.absent + scenes.partial and scenes.present + scenes.partial):
        raise RecipeError("the last phase has no scenes with and without the target to weigh up")
    batches = {kind: _batch(recipe, kind) for kind in ("present", "absent")}
    answers: list[Answer] = []
    numbers: Numbers = {}
    needed: dict[float, float] = {}
    for quality_db in QUALITIES_DB:
        settled = _settled(recipe, batches, quality_db)
        own = settled(loss.anchor)
        needed[quality_db] = next((w for w in TRIED if _held(settled(w))), math.inf)
        numbers[f"level_at_{quality_db:g}_db"] = own
        numbers[f"weight_that_holds_at_{quality_db:g}_db"] = needed[quality_db]
        told = f"estimates of {quality_db:g} dB SNR settle at a gain of {own:.3f} "
        told += f"({20 * math.log10(own):+.2f} dB) with anchor {loss.anchor:g}; "
        told += f"{needed[quality_db]:.2g} holds it within {HELD:.0%}"
        answers.append(Answer("uniqueness", told))
    bound = 20 / math.log(10) * loss.absent / (2 * HELD)
    numbers["weight_by_formula"] = bound
    answers.append(
        Answer(
            "uniqueness",
            f"by the formula for terms of [dB] against the anchor alone, ln r = -8.686 w / (2 l), "
            f"{bound:.2g} holds the absent term (weight {loss.absent:g}) within {HELD:.0%}",
        )
    )
    worst = min(numbers[f"level_at_{each:g}_db"] for each in QUALITIES_DB)
    if not 0.5 <= worst <= 2.0 or worst == GAINS[0]:
        answers.append(_lost(loss.anchor, worst, max(needed.values())))
    setting = f"anchor {loss.anchor:g}, absent {loss.absent:g}, snr {loss.snr:g}; one shared gain"
    return Audit("level", setting, tuple(answers), numbers, time.process_time() - began)


def _lost(weight: float, level: float, needed: float) -> Answer:
    return bad(
        "uniqueness",
        "WP101",
        Severity.FAIL,
        f"the level falls to {level:.2f} or below: silence pays more than the target",
        {"subject": "anchor", "weight": weight, "level": level, "weight_that_holds": needed},
        suspects=(("anchor", f"audit with loss.anchor {needed:.2g}"),),
        advice="a larger weight of the anchor, or a smaller one of what rewards silence",
    )


def _settled(
    recipe: ExtractRecipe, batches: Mapping[str, Batch], quality_db: float
) -> Callable[[float], float]:
    """The best gain as a function of the anchor's weight; absent speakers pass in full."""
    present, absent = batches["present"], batches["absent"]
    rest = present["mixture"] - present["target"]
    ratio = present["target"].square().sum(-1) / rest.square().sum(-1).clamp(min=1e-12)
    error = rest * (ratio * 10 ** (-quality_db / 10)).sqrt()[:, None]
    items = {
        "present": Items(present["target"] + error, present["target"], present["mixture"]),
        "absent": Items(absent["mixture"], absent["target"], absent["mixture"]),
    }

    def curve(asked: ExtractRecipe, weights: Mapping[str, float]) -> Mapping[float, float]:
        made = Objective(_terms(asked, batches), weights, items, per="kind")
        return Equilibrium(made).curve(GAINS)

    loss = recipe.loss
    others = curve(recipe, {"snr": loss.snr, "spectrum": loss.spectrum, "absent": loss.absent})
    anchor = curve(changed(recipe, {"loss.spectrum": 0.0}, "audit"), {"anchor": 1.0})
    return lambda weight: min(GAINS, key=lambda gain: others[gain] + weight * anchor[gain])


def _held(gain: float) -> bool:
    return abs(math.log(gain)) <= -math.log(1 - HELD) + 1e-9


def _terms(recipe: ExtractRecipe, batches: Mapping[str, Batch]) -> Callable[[str], Terms]:
    """Terms by kind; scenes of one kind alone have class means that are plain means."""

    def of(kind: str) -> Terms:
        batch, alone = batches[kind], _only(recipe, kind)
        wanted = Wanted(batch["mixture"], batch["target"], batch["span"])
        names = SPOKEN if kind == "present" else ("absent",)

        def terms(estimate: Tensor, items: Items) -> dict[str, Tensor]:
            made = signal_terms(estimate, wanted, alone)
            return {name: made[name] for name in names if name in made}

        return terms

    return of


def _batch(recipe: ExtractRecipe, kind: str) -> Batch:
    """The first scenes of a kind in which the target is not alone."""
    system = ExtractSystem(_only(recipe, kind))
    made: list[Item] = []
    number = 0
    while len(made) < SCENES and number < 100 * SCENES:
        item = system.item("train", number)
        rest = item["mixture"] - item["target"]
        if float(rest.square().mean()) > 1e-6 * float(item["mixture"].square().mean()):
            made.append(item)
        number += 1
    if not made:
        raise RecipeError(f"of {number} scenes none has anything besides the target")
    return system.collate(made)


def _only(recipe: ExtractRecipe, kind: str) -> ExtractRecipe:
    counts = {name: int(name == kind) for name in ("present", "partial", "absent")}
    return changed(recipe, {f"scenes.{name}": n for name, n in counts.items()}, "audit")
