"""`wellposed compare`: where two or more models part, layer by layer and metric by metric."""

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from wellposed.cli.options import read_options
from wellposed.engine.storage.atomic import made_folder
from wellposed.engine.telling.figures import counted
from wellposed.errors import DataError, RecipeError
from wellposed.metrics.catalogue import computable, require_packages, speech_names
from wellposed.metrics.table import plain, write_json
from wellposed.systems.enhance.comparison import Contender, compare, contenders, scenes_to_score
from wellposed.systems.enhance.pairs import FolderPairs, Pair


@dataclass
class CompareOptions:
    """Feed the same inputs to two or more models; all are set against the first.

    Layers are matched by name where the models are built alike, else by what they are there for.
    """

    models: Annotated[tyro.conf.Positional[tuple[str, ...]], tyro.conf.arg(metavar="MODEL ...")]
    """Folders of runs, weights files, or names of shipped weights."""
    data: Path | None = None
    """Corpus of the test scenes; without it the first model's own, or synthetic
    sound."""
    pairs: Path | None = None
    """Folder with clean/ and noisy/ of equally named files, instead of scenes."""
    scenes: int = 64
    """Number of test scenes."""
    walk: int = 16
    """Scenes or pairs on which layers are compared; metrics are computed on all."""
    metrics: tuple[str, ...] = ()
    """Names of the catalogue (docs/metrics.md); by default PESQ, STOI, ESTOI, SI-SDR, SNR and
    level error."""
    workers: int = 0
    """Processes that compute scores; 0 works in this one."""
    out: Annotated[Path | None, tyro.conf.arg(aliases=["-o"])] = None
    """Folder for items.csv, layers.csv, compare.json and compare.txt; without it none."""
    json: bool = False
    """Print JSON for machines."""


def compare_models(arguments: list[str]) -> int:
    """Compare, print, and write the files if a folder is given."""
    options = read_options(CompareOptions, "wellposed compare", arguments)
    if options.scenes < 1 or options.walk < 1:
        raise RecipeError("wanted --scenes and --walk of 1 or more")
    require_packages(options.metrics)
    models = contenders(options.models)
    if options.out is not None:
        made_folder(options.out)
    pairs, fed = _fed(options, models)
    names, left_out = options.metrics, ""
    if not names:
        names, left_out = computable(speech_names(pairs[0].rate))
    if left_out:
        print(left_out, file=sys.stderr)
    made = compare(
        models,
        pairs,
        names,
        fed=fed,
        walked=options.walk,
        workers=options.workers,
        progress=_progress,
    )
    if options.out is not None:
        made.write_tables(options.out)
        write_json(options.out / "compare.json", made.report())
        (options.out / "compare.txt").write_text(made.text() + "\n", encoding="utf-8")
    print(json.dumps(plain(made.report()), indent=2) if options.json else made.text())
    if options.out is not None:
        written = f"written: {options.out}/items.csv layers.csv compare.json compare.txt"
        print(written, file=sys.stderr)
    return 0


def _fed(options: CompareOptions, models: list[Contender]) -> tuple[list[Pair], str]:
    if options.pairs is not None:
        if options.data is not None:
            raise DataError("compare: --pairs and --data exclude each other; give one of them")
        pairs = list(FolderPairs(options.pairs))
        return pairs, f"{counted(len(pairs), 'pair')} of {options.pairs}"
    first = models[0]
    pairs = scenes_to_score(first.recipe, options.scenes, options.data)
    source = options.data or first.recipe.data.path or "synthetic sound"
    return pairs, f"{len(pairs)} test scenes by A's recipe, of {source}"


def _progress(said: str) -> None:
    if sys.stderr.isatty():
        print(said, file=sys.stderr)
