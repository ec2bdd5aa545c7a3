"""`wellposed enhance`: noise out of audio files, or out of a stream of samples."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import torch
import tyro

from wellposed.cli.options import read_options
from wellposed.data.pcm import PcmFormat, pass_pcm
from wellposed.systems.enhance.files import enhance_paths
from wellposed.systems.enhance.stream import EnhanceStream


@dataclass
class Enhance:
    """Remove noise from audio files or folders: any rate, any number of channels, any length.

    With --stream: from raw PCM on standard input, to raw PCM on standard output.
    """

    inputs: tyro.conf.Positional[tuple[Path, ...]]
    """Audio files, and folders of them."""
    output: Annotated[Path | None, tyro.conf.arg(aliases=["-o"])] = None
    """File for one file, folder for several; without it NAME-enhanced beside each."""
    model: str | None = None
    """Folder of a run, weights file, or name of shipped weights; without it bsrnn-small, for a
    stream mbs-causal."""
    device: str = "cpu"
    """Where to compute: cpu, cuda, cuda:1, or auto, which takes CUDA when there is one."""
    overwrite: bool = False
    """Replace outputs that exist."""
    stream: bool = False
    """Enhance standard input to standard output as it comes; needs a causal model."""
    rate: int | None = None
    """Sample rate of the stream [Hz]; without it that of the model."""
    channels: int = 1
    """Channels of the stream, interleaved."""
    format: PcmFormat = "s16le"
    """Samples of the stream: 16-bit integers, or floats with full scale 1; little-endian."""


def enhance(arguments: list[str]) -> int:
    """Enhance files; 0 all done, 1 something failed, 2 nothing to do or options that clash."""
    options = read_options(Enhance, "wellposed enhance", arguments)
    clash = _clash(options)
    if clash:
        print(f"wellposed enhance: {clash}", file=sys.stderr)
        return 2
    if options.stream:
        return _stream(options)
    return enhance_paths(
        options.inputs,
        options.output,
        model=options.model,
        device=options.device,
        overwrite=options.overwrite,
    )


def _clash(options: Enhance) -> str | None:
    if options.stream and (options.inputs or options.output or options.overwrite):
        return "--stream goes from standard input to standard output: name no files with it"
    sample_options = (options.rate, options.channels, options.format)
    if not options.stream and sample_options != (None, 1, "s16le"):
        return "--rate, --channels and --format describe a stream; files say so themselves"
    return None


def _stream(options: Enhance) -> int:
    # A frame is too little work to share: two threads only wait for each other.
    torch.set_num_threads(1)
    stream = EnhanceStream(options.model, options.rate, options.channels, device=options.device)
    with open(sys.stdin.fileno(), "rb", buffering=0, closefd=False) as source:
        passed = pass_pcm(stream, source, sys.stdout.buffer, options.format)
    for note in passed.notes():
        print(f"wellposed enhance: note: {note}", file=sys.stderr)
    return 0
