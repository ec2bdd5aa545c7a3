"""Extracting one speaker from a file, in bounded memory; the target appears complete or not."""

from collections.abc import Callable, Sequence
from pathlib import Path

from wellposed.data.audio import AudioInfo, blocks, inspect, read
from wellposed.data.audio_stream import fine_subtype, writing
from wellposed.errors import DataError
from wellposed.systems.extract.presence import write_presence
from wellposed.systems.extract.recipe import LONGEST_ENROLMENT_S
from wellposed.systems.extract.use import Extractor

BLOCK = 1 << 18
"""Samples read at once."""
MARGIN_S = 1.0
"""So much more of an enrolment is read than is used, for the edge of resampling [s]."""


def enrol_files(extractor: Extractor, paths: Sequence[Path]) -> None:
    """Enrol from files. Raises DataError: unreadable, or unfit as `enrolment.prepared` says."""
    pairs = []
    for path in paths:
        info = inspect(path)
        frames = min(info.frames, round((LONGEST_ENROLMENT_S + MARGIN_S) * info.rate))
        if info.frames > frames:
            extractor.notice(
                f"{path}: {info.seconds:.1f} s long, the first {LONGEST_ENROLMENT_S:g} s are used"
            )
        pairs.append(read(path, frames=frames))
    extractor.enrol(pairs, [str(path) for path in paths])


def extract_file(
    extractor: Extractor,
    source: Path,
    target: Path,
    *,
    presence: Path | None = None,
    overwrite: bool = False,
    advance: Callable[[float], None] | None = None,
) -> AudioInfo:
    """Write what the enrolled speaker says in `source` to `target`; returns what the source is.

    `presence` is where the table of `write_presence` goes. Inputs of 24 or 32 bits or floating
    point keep that resolution where the format has it. Raises DataError: as `audio.inspect` and
    `audio.blocks`, a target that is the source, or one that exists and is not to be replaced.
    """
    for path in (target, presence):
        if path is None:
            continue
        if path.resolve() == source.resolve():
            raise DataError(f"{path}: is the mixture itself; name another file")
        if path.exists() and not overwrite:
            raise DataError(f"{path}: exists; name another file, or give --overwrite")
    info = inspect(source)
    subtype = fine_subtype(source, target)
    with writing(target, info.rate, info.channels, frames=info.frames, subtype=subtype) as sink:
        for block in extractor.stream(blocks(source, BLOCK), info.rate, info.frames, advance):
            sink.write(block)
    if presence is not None:
        write_presence(presence, extractor.presence)
    return info
