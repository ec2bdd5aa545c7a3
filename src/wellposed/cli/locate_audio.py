"""`wellposed locate talk.wav --array geometry.yaml`: where a voice comes from."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from wellposed.cli.options import read_options
from wellposed.data.audio import SUFFIXES, read
from wellposed.engine.storage.atomic import replacing
from wellposed.errors import DataError
from wellposed.systems.locate.microphones import Microphones
from wellposed.systems.locate.talk_told import csv_of, json_of, text_of
from wellposed.systems.locate.wideband import locate_talk

WRITERS = {".json": json_of, ".csv": csv_of}


@dataclass
class LocateAudio:
    """Say from where a recording of several microphones was heard, as a whole and over time."""

    recording: tyro.conf.Positional[Path]
    """Sound file with a channel for every microphone."""
    array: Path | None = None
    """YAML file of the array: positions_m, a row [x, y, z] in metres for every channel; if wanted,
    up and speed_of_sound (docs/locate.md)."""
    every: float = 0.5
    """Length of the pieces whose directions are told one by one [s]."""
    output: Annotated[Path | None, tyro.conf.arg(aliases=["-o"])] = None
    """File for the table, .json or .csv."""
    plot: Path | None = None
    """File for a plot of azimuths over time, .png or .svg."""


def is_audio(arguments: list[str]) -> bool:
    """Whether a sound file is to be located."""
    return any(Path(each).suffix.lower() in SUFFIXES for each in arguments)


def locate_audio(arguments: list[str]) -> int:
    """Locate a voice; errors are told by the command line."""
    options = read_options(LocateAudio, "wellposed locate", arguments)
    if options.array is None:
        raise DataError(
            f"{options.recording}: where its microphones were is not in it: --array FILE.yaml "
            "with positions_m, a row [x, y, z] in metres for every channel"
        )
    if options.output is not None and options.output.suffix not in WRITERS:
        raise DataError(f"{options.output}: tables are written as {' or '.join(WRITERS)}")
    if options.every <= 0:
        raise DataError(f"--every {options.every:g}: wanted seconds above 0")
    microphones = Microphones.read(options.array)
    sound, rate = read(options.recording)
    talk = locate_talk(sound, rate, microphones, options.every)
    print(text_of(talk))
    if options.output is not None:
        with replacing(options.output) as sink:
            sink.write(WRITERS[options.output.suffix](talk).encode())
        print(f"written: {options.output}")
    if options.plot is not None:
        # Imported here: matplotlib takes a second.
        from wellposed.systems.locate.talk_plot import draw

        draw(talk, options.plot)
        print(f"written: {options.plot}")
    return 0
