"""`wellposed evaluate`: scores of a model, or of the noisy input, on pairs or on scenes."""

import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import tyro

from wellposed.errors import DataError
from wellposed.metrics.catalogue import require_packages, speech_names
from wellposed.systems.enhance.comparison import scenes_to_score
from wellposed.systems.enhance.evaluation import evaluate as score
from wellposed.systems.enhance.loading import find_weights, recipe_of
from wellposed.systems.enhance.pairs import FolderPairs, Pair
from wellposed.systems.enhance.use import Enhancer

NOISY = "noisy"
"""Stands for a model that does nothing."""


@dataclass
class Evaluate:
    """Score a run, a weights file or shipped weights; `noisy` scores the input as it is."""

    model: tyro.conf.Positional[str]
    """Folder of a run, weights file, name of shipped weights, or the word noisy."""
    data: Path | None = None
    """Folder with clean/ and noisy/ of equally named files; or a corpus, whose test scenes are
    rendered. Without it, the test scenes of the model's own recipe."""
    out: Path | None = None
    """Folder for scores.csv, summary.json and summary.txt; in a run: RUN/evaluation by default."""
    scenes: int = 64
    """Number of test scenes, where scenes are rendered."""
    metrics: tuple[str, ...] = ()
    """Names of the catalogue (docs/metrics.md); by default PESQ, STOI, ESTOI, SI-SDR and its
    improvement, SNR and level error."""
    workers: int | None = None
    """Processes that compute scores; by default one per core when there is much to do."""


def evaluate(arguments: list[str]) -> int:
    """Score, write the files, print the table with what was undefined and why."""
    options = tyro.cli(Evaluate, prog="wellposed evaluate", args=arguments)
    enhancer = None if options.model == NOISY else Enhancer.load(options.model)
    pairs, rate = _pairs(options)
    names = options.metrics or _default_names(rate)
    require_packages(names)
    result = score(pairs, enhancer, names=names, workers=options.workers, progress=_progress)
    folder = options.out
    if folder is None and Path(options.model).is_dir():
        folder = Path(options.model) / "evaluation"
    if folder is not None:
        result.write(folder)
    print(result.text())
    if folder is not None:
        print(f"written: {folder}/scores.csv summary.json summary.txt")
    return 0


def _pairs(options: Evaluate) -> tuple[Iterable[Pair], int]:
    """Return the pairs, and their rate [Hz]."""
    data = options.data
    if data is not None and (data / "clean").is_dir() and (data / "noisy").is_dir():
        pairs = FolderPairs(data)
        return pairs, next(iter(pairs)).rate
    if options.model == NOISY and data is None:
        raise DataError("evaluate noisy: give --data, a folder with clean/ and noisy/.")
    recipe = recipe_of(find_weights(None if options.model == NOISY else options.model))
    return scenes_to_score(recipe, options.scenes, data), recipe.scenes.rate


def _default_names(rate: int) -> tuple[str, ...]:
    names = list(speech_names(rate))
    names.insert(names.index("si_sdr_db") + 1, "si_sdr_improvement_db")
    return tuple(names)


def _progress(done: int, total: int | None, name: str) -> None:
    if sys.stderr.isatty():
        of = "" if total is None else f" of {total}"
        print(f"\r{done}{of} {name:<40.40}", end="\n" if done == total else "", file=sys.stderr)
