"""`wellposed extract`: one speaker out of a mixture, told by an enrolment which."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from wellposed.systems.extract.files import enrol_files, extract_file
from wellposed.systems.extract.use import Extractor


@dataclass
class Extract:
    """Keep what one speaker says, at its level, and silence where that speaker is not there."""

    mixture: tyro.conf.Positional[Path]
    """Audio file: any rate, any number of channels, any length."""
    enrol: tuple[Path, ...]
    """One recording or several of the wanted speaker, 0.5 to 10 s each, nobody else in them."""
    model: str
    """Folder of a run, or weights file."""
    output: Annotated[Path | None, tyro.conf.arg(aliases=["-o"])] = None
    """File to write; without it NAME-extracted beside the mixture."""
    presence: Path | None = None
    """CSV file for the track of presence: channel, time_s, probability, speaking."""
    device: str = "cpu"
    """cpu, cuda, cuda:1, or auto."""
    overwrite: bool = False
    """Replace outputs that exist."""


def extract(arguments: list[str]) -> int:
    """Extract from one file; errors are told by the command line."""
    options = tyro.cli(Extract, prog="wellposed extract", args=arguments)
    source = options.mixture
    target = options.output or source.with_stem(f"{source.stem}-extracted")
    extractor = Extractor.load(options.model, options.device)
    extractor.notice = lambda text: print(f"note: {text}", file=sys.stderr)
    enrol_files(extractor, options.enrol)
    info = extract_file(
        extractor, source, target, presence=options.presence, overwrite=options.overwrite
    )
    print(f"{source} -> {target}: {info.seconds:.2f} s, {info.channels} channels, {info.rate} Hz")
    for number, each in enumerate(extractor.presence):
        where = f"channel {number}: " if info.channels > 1 else ""
        said = "present" if each.present else "absent"
        print(f"{where}speaker {said}, speaking in {each.speaking_share:.0%} of the time")
    return 0
