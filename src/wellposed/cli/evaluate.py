"""`wellposed evaluate`: scores of a model, or of the noisy input, on pairs or on scenes."""

import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
import tyro
import yaml

from wellposed.cli.options import Changes, read_options
from wellposed.cli.process import keep_freed
from wellposed.engine.storage.atomic import made_folder
from wellposed.errors import CheckpointError, DataError, RecipeError
from wellposed.metrics.catalogue import computable, require_packages, speech_names
from wellposed.systems.codec.coder import Coder
from wellposed.systems.codec.evaluation import LOSSES
from wellposed.systems.codec.evaluation import evaluate as evaluate_codec
from wellposed.systems.codec.loading import WEIGHTS as CODECS
from wellposed.systems.codec.recordings import recordings
from wellposed.systems.enhance.comparison import scenes_to_score
from wellposed.systems.enhance.evaluation import evaluate as score
from wellposed.systems.enhance.loading import WEIGHTS as ENHANCERS
from wellposed.systems.enhance.pairs import FolderPairs, Pair
from wellposed.systems.enhance.use import Enhancer
from wellposed.systems.extract.evaluation import default_names as extract_names
from wellposed.systems.extract.evaluation import evaluate as evaluate_extract
from wellposed.systems.extract.loading import WEIGHTS as EXTRACTORS
from wellposed.systems.extract.loading import load_network
from wellposed.systems.locate.evaluation import evaluate as evaluate_locate
from wellposed.systems.locate.loading import WEIGHTS as LOCATORS
from wellposed.systems.locate.loading import load_network as load_locator

NOISY = "noisy"
"""Stands for a model that does nothing."""


@dataclass
class Evaluate:
    """Score a run, a weights file or shipped weights; `noisy` scores the input as it is."""

    model: tyro.conf.Positional[str]
    """Folder of a run, weights file, name of shipped weights, or the word noisy."""
    data: Path | None = None
    """Folder with clean/ and noisy/ of equally named files; or a corpus, whose test scenes are
    rendered; for a codec also any folder of mono recordings. Without it, the test scenes of the
    model's own recipe."""
    out: Path | None = None
    """Folder for scores.csv, summary.json and summary.txt (of a codec rates.csv, rates.json and
    rates.txt); without it RUN/evaluation, and none where no run is scored."""
    scenes: int = 64
    """Number of test scenes, where no files are scored."""
    metrics: tuple[str, ...] = ()
    """Names of the catalogue (docs/metrics.md); by default PESQ, STOI, ESTOI, SI-SDR and its
    improvement, SNR and level error."""
    workers: int | None = None
    """Processes that compute scores; by default one per core when there is much to do."""
    stages: tuple[int, ...] = ()
    """Of a codec: numbers of stages to score; by default all, a half and a quarter."""
    losses: tuple[float, ...] = LOSSES
    """Of a codec: shares of frames that are lost on the way."""
    opus: bool = True
    """Of a codec: leave out Opus, scored beside it where opusenc and opusdec are installed."""
    set: Changes = field(default_factory=dict)
    """Of a locator: other scenes than those of its recipe, such as scenes.path-loss "[0, 0]"."""


def evaluate(arguments: list[str]) -> int:
    """Score, write the files, print the table with what was undefined and why."""
    options = read_options(Evaluate, "wellposed evaluate", arguments)
    require_packages(options.metrics)
    if options.scenes < 1:
        raise RecipeError(f"--scenes {options.scenes}: wanted 1 or more")
    if options.model != NOISY and EXTRACTORS.holds(options.model):
        return _evaluate_extract(options)
    if options.model != NOISY and LOCATORS.holds(options.model):
        return _evaluate_locate(options)
    if options.model != NOISY and CODECS.holds(options.model):
        return _evaluate_codec(options)
    if not (Path(options.model).exists() or options.model in (NOISY, *ENHANCERS.names())):
        raise CheckpointError(_unknown(options.model))
    enhancer = None if options.model == NOISY else Enhancer.load(options.model)
    pairs, rate = _pairs(options)
    folder = _folder(options)
    names = options.metrics or _default_names(rate)
    result = score(pairs, enhancer, names=names, workers=options.workers, progress=_progress)
    if folder is not None:
        result.write(folder)
    print(result.text())
    if folder is not None:
        print(f"written: {folder}/scores.csv summary.json summary.txt")
    return 0


def _unknown(model: str) -> str:
    shelves = (CODECS, ENHANCERS, EXTRACTORS, LOCATORS)
    shipped = ", ".join(name for shelf in shelves for name in shelf.names())
    return (
        f"{model}: no such weights. Give the folder of a run, a .safetensors file, the word "
        f"{NOISY}, or a name of what is shipped: {shipped}"
    )


def _evaluate_extract(options: Evaluate) -> int:
    path = EXTRACTORS.find(options.model)
    network, recipe = load_network(path, torch.device("cpu"))
    folder = _folder(options)
    result = evaluate_extract(
        network,
        recipe,
        options.scenes,
        data=options.data,
        names=options.metrics or _computable(extract_names(recipe.scenes.rate)),
        progress=lambda done, name: _progress(done, options.scenes, name),
    )
    print(result.text())
    if folder is not None:
        result.write(folder)
        print(f"written: {folder}/scores.csv summary.json summary.txt")
    return 0


def _evaluate_locate(options: Evaluate) -> int:
    keep_freed()
    network, recipe = load_locator(LOCATORS.find(options.model), torch.device("cpu"))
    folder = _folder(options)
    result = evaluate_locate(
        network,
        recipe,
        options.scenes,
        changes={key: yaml.safe_load(value) for key, value in options.set.items()},
        progress=lambda done, name: _progress(done, options.scenes, name),
    )
    print(result.text())
    if folder is not None:
        result.write(folder)
        print(f"written: {folder}/scores.json summary.txt")
    return 0


def _evaluate_codec(options: Evaluate) -> int:
    coder = Coder.load(options.model)
    folder = _folder(options)
    result = evaluate_codec(
        coder,
        recordings(CODECS.find(options.model), options.data, options.scenes),
        stages=options.stages or None,
        losses=options.losses,
        with_opus=options.opus,
        names=options.metrics or None,
        examples=None if folder is None else folder / "examples",
        progress=lambda done, name: _progress(done, None, name),
    )
    print(result.text())
    if folder is not None:
        result.write(folder)
        print(f"written: {folder}/rates.csv rates.json rates.txt examples/")
    return 0


def _folder(options: Evaluate) -> Path | None:
    """Where results go, made before the work that they take; None: they are printed alone."""
    if options.out is not None:
        return made_folder(options.out)
    run = Path(options.model)
    return made_folder(run / "evaluation") if run.is_dir() else None


def _pairs(options: Evaluate) -> tuple[Iterable[Pair], int]:
    """Return the pairs, and their rate [Hz]."""
    data = options.data
    if data is not None and (data / "clean").is_dir() and (data / "noisy").is_dir():
        pairs = FolderPairs(data)
        return pairs, next(iter(pairs)).rate
    if options.model == NOISY and data is None:
        raise DataError("evaluate noisy: give --data, a folder with clean/ and noisy/.")
    recipe = ENHANCERS.recipe_of(ENHANCERS.find(None if options.model == NOISY else options.model))
    return scenes_to_score(recipe, options.scenes, data), recipe.scenes.rate


def _default_names(rate: int) -> tuple[str, ...]:
    names = list(speech_names(rate))
    names.insert(names.index("si_sdr_db") + 1, "si_sdr_improvement_db")
    return _computable(names)


def _computable(names: Sequence[str]) -> tuple[str, ...]:
    """Those whose packages are here; the others are told."""
    kept, left_out = computable(names)
    if left_out:
        print(left_out, file=sys.stderr)
    return kept


def _progress(done: int, total: int | None, name: str) -> None:
    if sys.stderr.isatty():
        of = "" if total is None else f" of {total}"
        print(f"\r{done}{of} {name:<40.40}", end="\n" if done == total else "", file=sys.stderr)
