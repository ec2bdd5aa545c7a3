"""`wellposed codec`: speech to a few kilobits a second and back."""

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated

import tyro

from wellposed.cli.options import read_options
from wellposed.errors import RecipeError, RunError
from wellposed.systems.codec import files
from wellposed.systems.codec.bitstream.tables import save_tables
from wellposed.systems.codec.coder import Coder, Settings
from wellposed.systems.codec.files import CODED, CUT, DECODED, PIPE, Done
from wellposed.systems.codec.loading import WEIGHTS, load_tables_of, tables_path
from wellposed.systems.codec.recordings import recordings
from wellposed.systems.codec.release import release

Inputs = tyro.conf.Positional[tuple[Path, ...]]
Output = Annotated[Path | None, tyro.conf.arg(aliases=["-o"])]


@dataclass
class Encode:
    """Code audio files or folders: any rate, any number of channels, any length."""

    inputs: Inputs
    """Files and folders; - reads a WAV stream from standard input."""
    output: Output = None
    """File for one file, folder for several, - for standard output; without it NAME.wpc beside."""
    model: str | None = None
    """Folder of a run, weights file, or name of shipped weights; without it the shipped ones."""
    kbps: float | None = None
    """Bitrate of the file, all channels together; by default what all stages need."""
    stages: int | None = None
    """Number of stages; by default all."""
    entropy: bool = False
    """Range-code with the tables beside the weights: smaller, the same sound."""
    device: str = "cpu"
    """cpu, cuda, cuda:1, or auto."""
    overwrite: bool = False
    """Replace outputs that exist."""


@dataclass
class Decode:
    """Decode .wpc files or folders; damaged ones as far as they are whole."""

    inputs: Inputs
    """Files and folders; - reads standard input."""
    output: Output = None
    """Audio file for one file, folder for several, - for a WAV stream on standard output; without
    it NAME-decoded.wav beside."""
    model: str | None = None
    """Folder of a run, weights file, or name of shipped weights; without it the shipped ones."""
    start: float = 0.0
    """Where to begin [s]."""
    device: str = "cpu"
    """cpu, cuda, cuda:1, or auto."""
    overwrite: bool = False
    """Replace outputs that exist."""


@dataclass
class Info:
    """Say what .wpc files hold and whether they are whole; needs no weights."""

    inputs: Inputs
    """Files; - reads standard input."""


@dataclass
class Truncate:
    """Lower the bitrate of .wpc files by leaving stages out; nothing is encoded again."""

    inputs: Inputs
    """Files and folders; - reads standard input."""
    output: Output = None
    """File for one file, folder for several, - for standard output; without it NAME-cut.wpc."""
    kbps: float | None = None
    """Bitrate of the file, all channels together."""
    stages: int | None = None
    """Most stages."""
    model: str | None = None
    """Weights, wanted for entropy-coded files alone: their tables lie beside them."""
    overwrite: bool = False
    """Replace outputs that exist."""


@dataclass
class Train:
    """Train the frequency tables of --entropy on recordings, and write them beside the weights."""

    model: tyro.conf.Positional[str]
    """Folder of a run, or weights file."""
    data: Path | None = None
    """Folder of mono recordings, or a corpus, of which training scenes are made; without it the
    data of the weights' recipe."""
    scenes: int = 500
    """Number of scenes, where scenes are made."""
    classes: int = 1
    """How many kinds of the code before are told apart."""


@dataclass
class Release:
    """Write weights to give away: levels kept, numbers of half precision, no paths."""

    model: tyro.conf.Positional[str]
    """Folder of a run, or weights file."""
    output: Annotated[Path, tyro.conf.arg(aliases=["-o"])]
    """File to write, ending in .safetensors."""
    data: Path | None = None
    """Folder of mono recordings, or a corpus, of which validation scenes are made, to take the
    level from; without it the data of the weights' recipe."""
    scenes: int = 32
    """Number of scenes, where scenes are made."""
    licence: str | None = None
    """Licence of the weights, written into the file."""


def codec(arguments: list[str]) -> int:
    """Run one of the actions; 0 all done, 1 something failed, 2 nothing to do."""
    name, *rest = arguments or ["--help"]
    if name not in _ACTIONS:
        words = "\n".join(f"  {key:<9} {text}" for key, (_, text) in _ACTIONS.items())
        print(f"usage: wellposed codec ACTION ...\n\n{words}")
        if name not in ("-h", "--help", "help"):
            near = get_close_matches(name, _ACTIONS, n=1)
            hint = f", did you mean {near[0]}?" if near else ""
            print(f"wellposed codec: unknown action {name!r}{hint}", file=sys.stderr)
            return 2
        return 0
    return _ACTIONS[name][0](rest)


def _encode(arguments: Sequence[str]) -> int:
    options = read_options(Encode, "wellposed codec encode", arguments)
    settings = Settings(options.stages, options.kbps, options.entropy)
    coder = Coder.load(options.model, options.device)
    if PIPE in options.inputs or options.output == PIPE:
        _alone(options.inputs)
        return _piped(files.encode_pipe(coder, options.inputs[0], options.output or PIPE, settings))
    return files.each_file(
        options.inputs,
        options.output,
        CODED,
        lambda source, target: files.encode_file(coder, source, target, settings),
        overwrite=options.overwrite,
    )


def _decode(arguments: Sequence[str]) -> int:
    options = read_options(Decode, "wellposed codec decode", arguments)
    if options.start and PIPE in options.inputs:
        raise RecipeError("--start: standard input cannot seek; give a file")
    coder = Coder.load(options.model, options.device)
    if PIPE in options.inputs or options.output == PIPE:
        _alone(options.inputs)
        return _piped(
            files.decode_file(coder, options.inputs[0], options.output or PIPE, options.start)
        )
    return files.each_file(
        options.inputs,
        options.output,
        DECODED,
        lambda source, target: files.decode_file(coder, source, target, options.start),
        overwrite=options.overwrite,
    )


def _info(arguments: Sequence[str]) -> int:
    options = read_options(Info, "wellposed codec info", arguments)
    if not options.inputs:
        raise RecipeError("info: name .wpc files, or - for standard input")
    sound = True
    for source in options.inputs:
        lines, whole = files.info_file(source)
        print("\n".join(lines))
        sound = sound and whole
    return 0 if sound else 1


def _truncate(arguments: Sequence[str]) -> int:
    options = read_options(Truncate, "wellposed codec truncate", arguments)
    if options.kbps is None and options.stages is None:
        raise RecipeError("truncate: to what? Give --kbps or --stages.")
    tables = None
    if options.model is not None:
        tables = load_tables_of(WEIGHTS.find(options.model))

    def work(source: Path, target: Path) -> Done:
        return files.truncate_file(
            source, target, stages=options.stages, kbps=options.kbps, tables=tables
        )

    if PIPE in options.inputs or options.output == PIPE:
        _alone(options.inputs)
        return _piped(work(options.inputs[0], options.output or PIPE))
    return files.each_file(options.inputs, options.output, CUT, work, overwrite=options.overwrite)


def _piped(done: Done) -> int:
    print(done.line, file=sys.stderr)
    return 0 if done.sound else 1


def _tables(arguments: Sequence[str]) -> int:
    options = read_options(Train, "wellposed codec tables", arguments)
    weights = WEIGHTS.find(options.model)
    coder = Coder.load(options.model)
    given = recordings(weights, options.data, options.scenes, split="train")
    made = files.train_tables_of(coder, given, options.classes)
    save_tables(tables_path(weights), made.tables)
    print(made.line)
    print(f"written: {tables_path(weights)}")
    return 0


def _release(arguments: Sequence[str]) -> int:
    options = read_options(Release, "wellposed codec release", arguments)
    if options.output.exists():
        raise RunError(f"{options.output}: exists already. Remove it, or name another file.")
    weights = WEIGHTS.find(options.model)
    given = recordings(weights, options.data, options.scenes, split="valid")
    made = release(weights, options.output, given, options.licence)
    print(
        f"{options.output}: {made.parameters / 1e6:.3f} M numbers, {made.bytes} bytes, the decoder "
        f"{made.scaled_db:+.2f} dB"
    )
    return 0


def _alone(inputs: tuple[Path, ...]) -> None:
    if len(inputs) != 1:
        raise RecipeError(f"{len(inputs)} inputs: a pipe takes one")


_ACTIONS: dict[str, tuple[Callable[[Sequence[str]], int], str]] = {
    "encode": (_encode, "audio to .wpc: wellposed codec encode talk.wav --kbps 3"),
    "decode": (_decode, ".wpc to audio: wellposed codec decode talk.wpc -o talk-again.wav"),
    "info": (_info, "what .wpc files hold, and whether they are whole"),
    "release": (_release, "weights of a run as a file to give away"),
    "tables": (_tables, "train the frequency tables that --entropy needs"),
    "truncate": (_truncate, "to a lower bitrate, without encoding again"),
}
