"""Which file becomes which: inputs and an output option to pairs of source and target.

Promise: no target is an input, no two sources share a target, nothing that exists is a target
unless overwriting was asked for. What breaks this is refused alone; the rest stays.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from wellposed.data.audio import SUFFIXES
from wellposed.errors import DataError


@dataclass(frozen=True)
class Naming:
    """What is read, what is written, and how an output beside its input is called."""

    mark: str = ""
    """Ends the name of an output that lies beside its input."""
    suffix: str | None = None
    """Of outputs; None: that of the input."""
    reads: frozenset[str] = SUFFIXES
    writes: frozenset[str] = SUFFIXES
    what: str = "audio"
    """Is read, in a word or two."""

    def name(self, source: Path, mark: str = "") -> str:
        """Name of the output of `source`."""
        return f"{source.stem}{mark}{self.suffix or source.suffix}"


ENHANCED = Naming(mark="-enhanced")


@dataclass
class Plan:
    """What is to be done, and what cannot be."""

    jobs: list[tuple[Path, Path]] = field(default_factory=list)
    """(source, target), each target once."""
    refused: list[str] = field(default_factory=list)
    """One message for every input or target that cannot be used."""


def plan(
    inputs: Sequence[Path], output: Path | None, *, overwrite: bool, naming: Naming = ENHANCED
) -> Plan:
    """Pair the files of `inputs` (files, and folders with all below them) with their targets.

    Without `output` a target lies beside its source, named by `naming`; then files so named
    are left out of folders, and a second run does not take the output of the first. One file
    may go to a file; everything else goes to a folder, with its path below the input folder.
    Raises DataError: several inputs, or a folder, to one file.
    """
    made = Plan()
    pairs = list(_pairs(inputs, output, made, naming))
    sources = {source.resolve() for source, _ in pairs}
    taken: dict[Path, Path] = {}
    for source, target in pairs:
        where = target.resolve()
        if where in sources or _same(source, target):
            problem = "this is an input, which is never overwritten; choose another output"
        elif where in taken:
            problem = f"{taken[where]} goes there too; use different folders"
        elif target.exists() and not overwrite:
            problem = "exists already; remove it, or allow to overwrite it (--overwrite)"
        else:
            made.jobs.append((source, target))
            taken[where] = source
            continue
        made.refused.append(f"{source} -> {target}: {problem}")
    return made


def _pairs(
    inputs: Sequence[Path], output: Path | None, made: Plan, naming: Naming
) -> list[tuple[Path, Path]]:
    single = len(inputs) == 1 and not inputs[0].is_dir()
    to_file = output is not None and output.suffix.lower() in naming.writes and not output.is_dir()
    if to_file and not single:
        raise DataError(f"{output}: several files cannot go to one file; give a folder")
    if output is not None and output.exists() and not (to_file or output.is_dir()):
        known = " ".join(sorted(naming.writes))
        raise DataError(f"{output}: no folder, and not a file of a known suffix ({known})")
    if single and output is not None and output.suffix and not (to_file or output.is_dir()):
        known = " ".join(sorted(naming.writes))
        raise DataError(
            f"{output}: no format is known by this suffix ({known}); for a folder of this name, "
            "make it first"
        )
    pairs = []
    for given in inputs:
        if not given.exists():
            made.refused.append(f"{given}: no such file; check the path")
            continue
        below = [given] if not given.is_dir() else _below(given, output, naming)
        if not below:
            known = " ".join(sorted(naming.reads))
            made.refused.append(f"{given}: no {naming.what} in this folder ({known})")
        for source in below:
            if output is None:
                target = source.with_name(naming.name(source, naming.mark))
            elif to_file:
                target = output
            else:
                relative = source.relative_to(given) if given.is_dir() else Path(source.name)
                target = output / relative.with_name(naming.name(relative))
            pairs.append((source, target))
    return pairs


def _below(folder: Path, output: Path | None, naming: Naming) -> list[Path]:
    """Return the visible files to read below a folder in the order of their names."""
    found = []
    for path in sorted(folder.rglob("*")):
        hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
        # An output folder inside the input folder is not an input the next time.
        inside = output is not None and output.resolve() != folder.resolve()
        inside = inside and output is not None and path.resolve().is_relative_to(output.resolve())
        marked = bool(naming.mark) and path.stem.endswith(naming.mark)
        outcome = inside or (output is None and marked)
        if path.suffix.lower() in naming.reads and not hidden and not outcome and path.is_file():
            found.append(path)
    return found


def _same(source: Path, target: Path) -> bool:
    """Whether both are one file, also through links."""
    return source.exists() and target.exists() and source.samefile(target)
