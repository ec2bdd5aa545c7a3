"""Two or more enhancers on the same noisy inputs: what they are fed with, and their roles."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from wellposed.data.audio import resample
from wellposed.engine.inside.apart import paired, walk_apart
from wellposed.engine.inside.compare import Comparison, Measure
from wellposed.engine.inside.observe import WHOLE
from wellposed.engine.recipe import changed
from wellposed.errors import DataError, RecipeError
from wellposed.metrics.catalogue import metric
from wellposed.metrics.parallel import Job, score_all
from wellposed.metrics.table import label
from wellposed.systems.enhance.loading import WEIGHTS, load_network
from wellposed.systems.enhance.model import Bsrnn
from wellposed.systems.enhance.pairs import Pair, scene_pairs
from wellposed.systems.enhance.recipe import EnhanceRecipe
from wellposed.systems.enhance.system import Enhance
from wellposed.systems.enhance.use import WHOLE_S, Enhancer

_FIRST = ("model", "loss", "scenes", "seed", "training")
"""Sections of a recipe in the order in which their differences are told."""


@dataclass(frozen=True)
class Contender:
    """A model to compare."""

    name: str
    recipe: EnhanceRecipe
    network: Bsrnn


def contenders(names: Sequence[str]) -> list[Contender]:
    """Load runs, weights files or shipped names.

    Raises CheckpointError as loading does; RecipeError: fewer than two, or different rates.
    """
    if len(names) < 2:
        raise RecipeError(
            f"wanted at least two models, found {len(names)}: wellposed compare RUN RUN"
        )
    made = []
    for name in names:
        path = WEIGHTS.find(name)
        made.append(
            Contender(name, WEIGHTS.recipe_of(path), load_network(path, torch.device("cpu")))
        )
    for each in made[1:]:
        if each.network.rate != made[0].network.rate:
            raise RecipeError(
                f"{each.name} is for {each.network.rate} Hz, {made[0].name} for "
                f"{made[0].network.rate} Hz; wanted models of one rate, which can be given the "
                "same samples. Compare their scores with `wellposed evaluate` instead."
            )
    return made


def scenes_to_score(recipe: EnhanceRecipe, count: int, data: Path | None) -> list[Pair]:
    """The first `count` test scenes of a recipe, less those without speech: they have no score."""
    if data is not None:
        recipe = changed(recipe, {"data.path": str(data.resolve())}, "--data")
    system = Enhance(recipe)
    scenes = (system.scenes.scene("test", number) for number in range(count))
    triples = (
        (f"scene-{number:04d}", scene.noisy, scene.clean)
        for number, scene in enumerate(scenes)
        if not scene.facts["absent"]
    )
    made = list(scene_pairs(triples, recipe.scenes.rate))
    if not made:
        raise DataError(f"none of the first {count} test scenes has speech; ask for more")
    return made


def compare(
    models: Sequence[Contender],
    pairs: Sequence[Pair],
    names: Sequence[str],
    *,
    fed: str,
    walked: int,
    workers: int = 0,
    progress: Callable[[str], None] = lambda said: None,
) -> Comparison:
    """Compare layers on the first `walked` pairs, and the metrics `names` on all of them."""
    first, *others = models
    walked = min(walked, len(pairs))
    own = roles(first.network)
    pairings = [paired(first.network, each.network, own, roles(each.network)) for each in others]
    progress(f"layers of {len(models)} models on {walked} items")
    inputs = (_input(pair, first.network.rate) for pair in pairs[:walked])
    apart = walk_apart(first.network, [each.network for each in others], pairings, inputs)
    scores = []
    for each in models:
        progress(f"scores of {each.name} on {len(pairs)} items")
        scores.append(list(score_all(_jobs(each, pairs, tuple(names)), workers)))
    measures = {
        name: Measure(
            label(name), metric(name).better, [[row[name].value for row in rows] for rows in scores]
        )
        for name in names
    }
    return Comparison(
        tuple(each.name for each in models),
        tuple(sum(p.numel() for p in each.network.parameters()) for each in models),
        tuple(pair.name for pair in pairs),
        fed,
        walked,
        tuple(apart),
        measures,
        tuple(recipe_differences(first.recipe, each.recipe) for each in others),
    )


def roles(network: nn.Module) -> dict[str, str]:
    """What the parts of a band-split enhancer are there for -> their points.

    Time and band paths are those parts that have an `axis`, by their order.
    """
    made = {"features": "split:input", "split": "split"}
    counts = {"time": 0, "bands": 0}
    for name, part in network.named_modules():
        axis = getattr(part, "axis", None)
        if axis in counts:
            counts[axis] += 1
            made[f"{'time' if axis == 'time' else 'band'} path {counts[axis]}"] = name
    return made | {"taps (mask)": "taps", WHOLE: WHOLE}


def recipe_differences(first: EnhanceRecipe, other: EnhanceRecipe) -> dict[str, tuple[Any, Any]]:
    """Keys whose values differ, with both; those of the model first, then of what it learns."""
    own, its = (_flat(each.model_dump(mode="json")) for each in (first, other))
    keys = [key for key in own | its if own.get(key) != its.get(key)]
    return {key: (own.get(key), its.get(key)) for key in sorted(keys, key=_rank)}


def _rank(key: str) -> int:
    section = key.split(".")[0]
    return _FIRST.index(section) if section in _FIRST else len(_FIRST)


def _flat(tree: dict[str, Any], above: str = "") -> dict[str, Any]:
    made: dict[str, Any] = {}
    for key, value in tree.items():
        made |= _flat(value, f"{above}{key}.") if isinstance(value, dict) else {above + key: value}
    return made


def _input(pair: Pair, rate: int) -> Tensor:
    """What the network is given of a pair, at most as much as is enhanced at once."""
    wave = resample(pair.noisy, pair.rate, rate)[:, : round(WHOLE_S * rate)]
    return torch.from_numpy(np.ascontiguousarray(wave, np.float32))


def _jobs(model: Contender, pairs: Sequence[Pair], names: tuple[str, ...]) -> Iterator[Job]:
    enhancer = Enhancer(model.network, name=model.name)
    for pair in pairs:
        estimate = enhancer(pair.noisy, pair.rate)
        yield Job(pair.name, pair.clean, estimate, pair.noisy, pair.rate, names)
