"""Pairs of noisy and clean speech to evaluate on: two folders, or scenes in memory.

Promise: the two sides of a pair have the same rate, channels and length. Nothing is cut or padded
to make them fit: a shift by one sample would cost SI-SDR unseen, and a different length is its
first sign.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from wellposed.data.audio import SUFFIXES, inspect, read
from wellposed.errors import DataError

Waveform = NDArray[np.float32]
"""(channels, time)"""


@dataclass(frozen=True)
class Pair:
    """A noisy recording and the clean one that it should become."""

    name: str
    noisy: Waveform
    clean: Waveform
    rate: int
    """Hz"""


class FolderPairs:
    """The files of `clean/` and `noisy/` below a folder, paired by name without its suffix.

    All headers are compared when it is made, so that a mistake shows before hours of work.
    Raises DataError: a missing folder, no audio in it, a file without partner, two files of
    one name, a different rate, length or number of channels.
    """

    def __init__(self, folder: Path | str) -> None:
        """Pair the files and compare their headers."""
        self.folder = Path(folder)
        clean, noisy = _audio_files(self.folder / "clean"), _audio_files(self.folder / "noisy")
        for mine, other, where in ((clean, noisy, "noisy"), (noisy, clean, "clean")):
            alone = sorted(mine.keys() - other.keys())
            if alone:
                raise DataError(
                    f"{self.folder}: files without a partner in {where}/: {len(alone)}, the first "
                    f"{mine[alone[0]]}; both folders need the same names (the suffix may differ)"
                )
        self._paths = {name: (noisy[name], clean[name]) for name in sorted(clean)}
        for noisy_path, clean_path in self._paths.values():
            _require_alike(noisy_path, clean_path)

    def __len__(self) -> int:
        """Count the pairs."""
        return len(self._paths)

    def __iter__(self) -> Iterator[Pair]:
        """Read one pair after the other, in the order of the names."""
        for name, (noisy_path, clean_path) in self._paths.items():
            noisy, rate = read(noisy_path)
            clean, _ = read(clean_path)
            yield Pair(name, noisy, clean, rate)


def scene_pairs(triples: Iterable[tuple[str, NDArray, NDArray]], rate: int) -> Iterator[Pair]:
    """Make pairs of (name, noisy, clean), each (time,) or (channels, time), at `rate` Hz.

    Raises DataError when the shapes of noisy and clean differ.
    """
    for name, noisy, clean in triples:
        if noisy.shape != clean.shape:
            raise DataError(
                f"{name}: noisy is {noisy.shape}, clean is {clean.shape}; a scene needs both sides "
                "in the same shape"
            )
        sides = [np.atleast_2d(side).astype(np.float32) for side in (noisy, clean)]
        yield Pair(name, sides[0], sides[1], rate)


def _audio_files(folder: Path) -> dict[str, Path]:
    if not folder.is_dir():
        raise DataError(
            f"{folder}: no such folder; pairs are read from DIR/clean/ and DIR/noisy/, equally "
            "named files"
        )
    files: dict[str, Path] = {}
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() not in SUFFIXES or not path.is_file():
            continue
        name = path.relative_to(folder).with_suffix("").as_posix()
        if name in files:
            raise DataError(f"{path}: {files[name].name} has the same name; remove one of them")
        files[name] = path
    if not files:
        raise DataError(f"{folder}: no audio file in it; known: {' '.join(sorted(SUFFIXES))}")
    return files


def _require_alike(noisy_path: Path, clean_path: Path) -> None:
    noisy, clean = inspect(noisy_path), inspect(clean_path)
    for what, unit, found, wanted in (
        ("sample rate", " Hz", noisy.rate, clean.rate),
        ("number of channels", "", noisy.channels, clean.channels),
        ("length", " samples", noisy.frames, clean.frames),
    ):
        if found != wanted:
            raise DataError(
                f"{noisy_path}: {what} is {found}{unit}, that of {clean_path} is {wanted}{unit}; "
                "a score needs both alike and aligned to the sample: export the pair again"
            )
