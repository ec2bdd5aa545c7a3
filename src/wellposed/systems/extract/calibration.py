"""Level and threshold of an extractor, set on validation scenes before its weights are given away.

An estimate with an error is best, by SNR, at a gain below one: an extractor in doubt is too quiet.
One gain for all scenes takes the usual part of that away; it changes no SI-SDR. What is set here is
kept in the weights, so that training, evaluation and use stay one forward.
"""

from dataclasses import dataclass
from pathlib import Path
from statistics import median

import torch

from wellposed.engine.recipe import changed
from wellposed.errors import DataError
from wellposed.metrics.extraction import equal_error
from wellposed.systems.extract.model import Extract
from wellposed.systems.extract.recipe import ExtractRecipe
from wellposed.systems.extract.scoring import score_scene
from wellposed.systems.extract.system import ExtractSystem, extracted

LEVEL = "level_error_db"


@dataclass(frozen=True)
class Calibrated:
    """What was set, and on how many scenes with and without the target."""

    gain_db: float
    """By which all outputs were raised: minus the median error of the target's level."""
    threshold: float
    """Of the logit of presence, where false alarms and misses are as frequent."""
    equal_error_rate: float
    """Of both, at the threshold, on these scenes."""
    present: int
    absent: int


@torch.no_grad()
def calibrate(
    network: Extract, recipe: ExtractRecipe, scenes: int, *, data: Path | None = None
) -> Calibrated:
    """Set level and threshold of `network`, in place, by the first validation scenes of a recipe.

    `data` is another corpus than the recipe's. Raises DataError: among so many scenes one of both
    kinds is missing, or the network says nothing where its target is.
    """
    if data is not None:
        recipe = changed(recipe, {"data.path": str(data.resolve())}, "--data")
    system = ExtractSystem(recipe)
    levels: list[float] = []
    logits: dict[bool, list[float]] = {True: [], False: []}
    for number in range(scenes):
        item = system.item("valid", number)
        made = extracted({"model": network}, item)
        there = bool(item["target"].any())
        logits[there].append(float(made.whole[0]))
        score = score_scene(item, made.estimate[0].numpy(), recipe.scenes.rate, [LEVEL])[LEVEL]
        if score.value is not None:
            levels.append(score.value)
    if not levels or not logits[False]:
        raise DataError(
            f"{scenes} validation scenes: {len(levels)} have a target whose level can be told and "
            f"{len(logits[False])} have none; both are wanted. Ask for more scenes."
        )
    rate, threshold = equal_error(logits[True], logits[False])
    gain_db = -median(levels)
    network.amplify(10 ** (gain_db / 20))
    network.threshold.fill_(threshold)
    return Calibrated(gain_db, threshold, rate, len(logits[True]), len(logits[False]))
