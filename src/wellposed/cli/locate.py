"""`wellposed locate`: sources in measurements of a surface or an array, with their uncertainty."""

import sys
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import tyro

from wellposed.cli.locate_audio import is_audio, locate_audio
from wellposed.cli.options import read_options
from wellposed.cli.process import keep_freed
from wellposed.engine.storage.atomic import replacing
from wellposed.errors import CheckpointError, DataError
from wellposed.systems.locate.arrays import Field, find_on_array
from wellposed.systems.locate.example import KINDS, example
from wellposed.systems.locate.found import Found, csv_of, json_of, text_of
from wellposed.systems.locate.loading import WEIGHTS
from wellposed.systems.locate.model import Locator
from wellposed.systems.locate.recipe import LocateRecipe
from wellposed.systems.locate.snapshots import ArrayData, read
from wellposed.systems.locate.use import Finder

WRITERS = {".json": json_of, ".csv": csv_of}
MOST = 3
"""Sources to look for before an array, where nothing is said."""


@dataclass
class Locate:
    """Say where sources are, and how sure that is.

    Measurements are a .npz file, by numpy.savez. Before a surface: heard (measurements, chains) or
    (scenes, measurements, chains), channel (chains, elements), codes (measurements, elements), all
    complex. Of an array: snapshots (sensors, T), or covariance (sensors, sensors) and number (of
    snapshots); positions (sensors, 3) and wavelength in metres. `wellposed locate example -o FILE`
    writes one to try.

    A sound file of several microphones: `wellposed locate talk.wav --array geometry.yaml`.
    """

    measurements: tyro.conf.Positional[Path]
    """File .npz of measurements, or the word example."""
    channel: Path | None = None
    """File .npy with the channel H, if it is not in the measurements."""
    codes: Path | None = None
    """File .npy with the codes, if they are not in the measurements."""
    model: str | None = None
    """Folder of a run, weights file, or name of shipped weights. Without it, before a surface the
    shipped ones; of an array none, but matching pursuit, wherever its sensors are. A model of a
    line brings the limits of azimuth, elevation and range with it."""
    start: Literal["both", "network", "pursuit"] = "both"
    """What the fit begins with: the network's proposal, nothing (matching pursuit), or both."""
    azimuth: Annotated[tuple[float, float] | None, tyro.conf.arg(metavar="FROM TO")] = None
    """Of an array without a model: azimuths to look at [deg]; without it -90 to 90."""
    elevation: Annotated[tuple[float, float] | None, tyro.conf.arg(metavar="FROM TO")] = None
    """Of an array without a model: elevations to look at [deg]; without it 0 alone."""
    range: Annotated[tuple[float, float] | None, tyro.conf.arg(metavar="FROM TO")] = None
    """Of an array without a model: distances to look at [m]; without it far sources alone."""
    most: int | None = None
    """Of an array without a model: most sources to look for; without it 3."""
    output: Annotated[Path | None, tyro.conf.arg(aliases=["-o"])] = None
    """File for the table, .json or .csv; of an example, for its measurements, .npz."""
    plot: Path | None = None
    """File for a plot, .png or .svg; several scenes become NAME-0, NAME-1 ..."""
    kind: Literal["surface", "line"] = "surface"
    """Of an example: before a surface, or before a line of sensors."""
    scene: int = 0
    """Of an example: number of the scene among the test scenes."""


def locate(arguments: list[str]) -> int:
    """Locate the sources of a file; errors are told by the command line."""
    if is_audio(arguments):
        return locate_audio(arguments)
    options = read_options(Locate, "wellposed locate", arguments)
    if str(options.measurements) == "example" and not options.measurements.exists():
        return _example(options)
    if options.output is not None and options.output.suffix not in WRITERS:
        raise DataError(f"{options.output}: tables are written as {' or '.join(WRITERS)}")
    extra = {name: path for name in ("channel", "codes") if (path := getattr(options, name))}
    keep_freed()
    data = read(options.measurements, extra)
    if isinstance(data, ArrayData) and options.model is None:
        if options.start == "network":
            raise DataError("--start network: before an array that needs a --model trained for it")
        azimuth = Field().azimuth_deg if options.azimuth is None else options.azimuth
        field = Field(azimuth, options.elevation, options.range)
        found = [find_on_array(data, field, MOST if options.most is None else options.most)]
    else:
        _without_limits(options)
        found = _finder(options).find(data, options.start)
    print(text_of(found))
    _write(found, options)
    return 0


def _without_limits(options: Locate) -> None:
    """Refuse limits beside a model, which has its own."""
    names = ("azimuth", "elevation", "range", "most")
    if told := [name for name in names if getattr(options, name) is not None]:
        raise DataError(
            f"--{', --'.join(told)}: only of an array without a model; a model looks where its "
            "training scenes were"
        )


def _finder(options: Locate) -> Finder:
    if options.start == "pursuit" and options.model is None:
        # Nothing of the network is used but its map; weights need not exist.
        recipe = LocateRecipe()
        return Finder(Locator(recipe), recipe.refinement, "pursuit")
    try:
        return Finder.load(options.model)
    except CheckpointError as error:
        known = ", ".join(WEIGHTS.names()) or "none"
        raise CheckpointError(
            f"{error}\nShipped: {known}. --start pursuit needs no model."
        ) from None


def _write(found: Sequence[Found], options: Locate) -> None:
    if options.output is not None:
        with replacing(options.output) as sink:
            sink.write(WRITERS[options.output.suffix](found).encode())
        print(f"written: {options.output}")
    if options.plot is not None:
        # Imported here: matplotlib takes a second.
        from wellposed.systems.locate.picture import draw

        for number, scene in enumerate(found):
            path = options.plot
            if len(found) > 1:
                path = path.with_stem(f"{path.stem}-{number}")
            draw(scene, path)
            print(f"written: {path}")


def _example(options: Locate) -> int:
    if options.output is None or options.output.suffix != ".npz":
        print("wellposed locate example: name a file to write: -o FILE.npz", file=sys.stderr)
        return 2
    if options.output.exists():
        raise DataError(f"{options.output}: exists; name another file")
    content, there = example(options.kind, options.scene)
    with replacing(options.output) as sink, zipfile.ZipFile(sink, "w") as held:
        for name, values in content.items():
            with held.open(f"{name}.npy", "w") as part:
                np.lib.format.write_array(part, values, allow_pickle=False)
    more = {"surface": "", "line": " --azimuth -60 60"}[options.kind]
    print(f"{options.output}: {KINDS[options.kind]}\n{there}")
    print(f"wellposed locate {options.output}{more}")
    return 0
