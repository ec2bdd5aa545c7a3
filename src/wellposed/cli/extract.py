"""`wellposed extract`: one speaker out of a mixture, told by an enrolment which."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import torch
import tyro

from wellposed.cli.options import read_options
from wellposed.data.pcm import PcmFormat, pass_pcm
from wellposed.engine.telling.figures import counted
from wellposed.systems.extract.files import enrol_files, extract_file
from wellposed.systems.extract.stream import ExtractStream
from wellposed.systems.extract.use import Extractor


@dataclass
class Extract:
    """Keep what one speaker says, at its level, and give silence where that speaker is silent.

    With --stream: from raw PCM on standard input, to raw PCM on standard output.
    """

    mixture: tyro.conf.Positional[Path | None] = None
    """Audio file: any rate, any number of channels, any length. Not with --stream."""
    enrol: tuple[Path, ...] = ()
    """One recording or several of the wanted speaker, 0.5 to 10 s each, nobody else in them."""
    model: str | None = None
    """Folder of a run, weights file, or name of shipped weights; without it the shipped ones."""
    output: Annotated[Path | None, tyro.conf.arg(aliases=["-o"])] = None
    """File to write; without it NAME-extracted beside the mixture."""
    presence: Path | None = None
    """CSV file for the track of presence: channel, time_s, probability, speaking."""
    device: str = "cpu"
    """Where to compute: cpu, cuda, cuda:1, or auto, which takes CUDA when there is one."""
    overwrite: bool = False
    """Replace outputs that exist."""
    stream: bool = False
    """Extract from standard input to standard output as it comes; needs a causal model."""
    rate: int | None = None
    """Sample rate of the stream [Hz]; without it that of the model."""
    channels: int = 1
    """Channels of the stream, interleaved."""
    format: PcmFormat = "s16le"
    """Samples of the stream: 16-bit integers, or floats with full scale 1; little-endian."""


def extract(arguments: list[str]) -> int:
    """Extract from one file or a stream; 2 for options that clash. Errors: the command line."""
    options = read_options(Extract, "wellposed extract", arguments)
    clash = _clash(options)
    if clash:
        print(f"wellposed extract: {clash}", file=sys.stderr)
        return 2
    extractor = Extractor.load(options.model, options.device)
    extractor.notice = lambda text: print(f"note: {text}", file=sys.stderr)
    enrol_files(extractor, options.enrol)
    return _stream(options, extractor) if options.stream else _file(options, extractor)


def _clash(options: Extract) -> str | None:
    files = (options.mixture, options.output, options.presence)
    if not options.enrol:
        return "--enrol: name at least one recording of the wanted speaker"
    if options.stream and (any(files) or options.overwrite):
        return "--stream goes from standard input to standard output: name no files with it"
    if not options.stream and (options.rate, options.channels, options.format) != (
        None, 1, "s16le",
    ):  # fmt: skip
        return "--rate, --channels and --format describe a stream; files say so themselves"
    if not options.stream and options.mixture is None:
        return "name the file with the mixture, or give --stream"
    return None


def _file(options: Extract, extractor: Extractor) -> int:
    source = options.mixture
    assert source is not None  # `_clash` has refused a call without it
    target = options.output or source.with_stem(f"{source.stem}-extracted")
    info = extract_file(
        extractor, source, target, presence=options.presence, overwrite=options.overwrite
    )
    print(
        f"{source} -> {target}: {info.seconds:.2f} s, {counted(info.channels, 'channel')}, "
        f"{info.rate} Hz"
    )
    for number, each in enumerate(extractor.presence):
        where = f"channel {number}: " if info.channels > 1 else ""
        said = "present" if each.present else "absent"
        print(f"{where}speaker {said}, speaking in {each.speaking_share:.0%} of the time")
    return 0


def _stream(options: Extract, extractor: Extractor) -> int:
    # A frame is too little work to share: two threads only wait for each other.
    torch.set_num_threads(1)
    stream = ExtractStream(extractor, options.rate, options.channels)
    with open(sys.stdin.fileno(), "rb", buffering=0, closefd=False) as source:
        passed = pass_pcm(stream, source, sys.stdout.buffer, options.format)
    for note in passed.notes():
        print(f"wellposed extract: note: {note}", file=sys.stderr)
    return 0
