"""What the files of a corpus are: from a manifest.csv, or from the names of folders.

Both give the same list of `Entry`; nothing is decoded here and no file but the manifest is
opened. Which entries are used, and how, is decided in corpus.py.
"""

import csv
import hashlib
import os
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from wellposed.data.audio import SUFFIXES
from wellposed.errors import DataError

SPLITS = ("train", "valid", "test")
_SPLIT_NAMES = {
    "train": "train", "training": "train",
    "valid": "valid", "validation": "valid", "val": "valid", "dev": "valid",
    "test": "test", "eval": "test",
    "all": "all",
}  # fmt: skip
_GENDERS = {"f": "f", "female": "f", "m": "m", "male": "m"}
"""What a manifest may say; anything else tells no gender."""
_KIND_FOLDERS = ("speech", "noise", "rir")
_REQUIRED = ("path", "split", "kind", "speaker")


@dataclass(frozen=True)
class Entry:
    """One audio file as a manifest or a folder describes it; None is "not said"."""

    relative: str
    """path below the root, with /"""
    kind: str
    split: str
    """train, valid, test, all; "" before a plain folder is split"""
    speaker: str = ""
    source: str = ""
    """of noise: the recording that the clip was cut from"""
    licence: str | None = None
    language: str | None = None
    corpus: str | None = None
    rate: int | None = None
    channels: int | None = None
    frames: int | None = None
    seconds: float | None = None
    gender: str = ""
    """of a speaker: f or m"""


def read_manifest(path: Path) -> list[Entry]:
    """Read a manifest: columns path, split, kind, speaker; others as docs/data.md lists them.

    Raises DataError: missing columns, values that cannot be used, a path named twice, no rows.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            columns = reader.fieldnames or ()
            missing = [name for name in _REQUIRED if name not in columns]
            if missing:
                raise DataError(
                    f"{path}: the columns {', '.join(missing)} are missing (found: "
                    f"{', '.join(columns) or 'none'}); every manifest needs {', '.join(_REQUIRED)}"
                )
            # reader.line_num is the line where the row ends, which is what an editor shows.
            entries = [_entry(row, f"{path}, line {reader.line_num}") for row in reader]
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path}: no CSV in UTF-8 ({error}); save it as such") from error
    if not entries:
        raise DataError(f"{path}: there are no rows under the header; list one file in each row")
    [(twice, count)] = Counter(entry.relative for entry in entries).most_common(1)
    if count > 1:
        raise DataError(f"{path}: names {twice} {count} times; keep one row for each file")
    return entries


def _entry(row: dict[str, str], where: str) -> Entry:
    def text(name: str) -> str | None:
        value = row.get(name)
        return None if value is None else value.strip()

    if not text("path") or text("kind") is None:
        raise DataError(f"{where}: a path, a split and a kind are wanted; fill them in")
    if Path(text("path") or "").is_absolute():
        raise DataError(f"{where}: write the path relative to the manifest, so the folder can move")
    split = _SPLIT_NAMES.get((text("split") or "").lower())
    if split is None:
        raise DataError(
            f"{where}: split is '{text('split')}'; write train, valid or test (all: for rir)"
        )
    return Entry(
        relative=Path(text("path") or "").as_posix(),
        kind=text("kind") or "",
        split=split,
        speaker=text("speaker") or "",
        source=text("noise_source") or "",
        licence=text("licence"),
        language=text("language"),
        corpus=text("corpus"),
        rate=_whole(text("sample_rate"), f"{where}: sample_rate"),
        channels=_whole(text("channels"), f"{where}: channels"),
        frames=_whole(text("frames"), f"{where}: frames"),
        seconds=_seconds(text("duration_s"), f"{where}: duration_s"),
        gender=_GENDERS.get((text("gender") or "").lower(), ""),
    )


def _whole(value: str | None, where: str) -> int | None:
    if not value:
        return None
    if not value.isdecimal() or int(value) == 0:
        raise DataError(f"{where} is '{value}'; a whole number above 0 is wanted, or nothing")
    return int(value)


def _seconds(value: str | None, where: str) -> float | None:
    if not value:
        return None
    try:
        return float(value)
    except ValueError as error:
        raise DataError(f"{where} is '{value}'; seconds are wanted, or nothing") from error


def scan_folder(root: Path) -> tuple[list[Entry], tuple[str, ...]]:
    """Describe a folder without a manifest by its sub-folders (rules in docs/data.md).

    The split of an entry is "" where no folder says it. Returns notes on what was assumed.
    Raises DataError when there is no audio at all.
    """
    files = sorted(audio_files(root))
    if not files:
        raise DataError(
            f"{root}: no audio files ({' '.join(sorted(SUFFIXES))}) and no manifest.csv in it; "
            "give the folder that holds them"
        )
    by_split = {name for name in _tops(files) if name.lower() in _SPLIT_NAMES}
    under = {relative: relative for relative in files}
    splits = dict.fromkeys(files, "")
    if by_split:
        outside = [relative for relative in files if relative.split("/")[0] not in by_split]
        if outside:
            raise DataError(
                f"{root}: some files are in the folders {', '.join(sorted(by_split))}, but "
                f"{len(outside)} are not, such as {outside[0]}; move them into train, valid or test"
            )
        under = {relative: relative.partition("/")[2] for relative in files}
        splits = {relative: _SPLIT_NAMES[relative.split("/")[0].lower()] for relative in files}
    has_kinds = any(name in _KIND_FOLDERS for name in _tops(under.values()))
    entries = [
        _placed(relative, under[relative], splits[relative], has_kinds) for relative in files
    ]
    kept = [entry for entry in entries if entry is not None]
    return kept, tuple(_notes(root, files, kept))


def _tops(relatives: Iterable[str]) -> set[str]:
    return {relative.split("/")[0] for relative in relatives if "/" in relative}


def _placed(relative: str, under: str, split: str, has_kinds: bool) -> Entry | None:
    """Kind and group from `under`, the path below the split folder; None outside the kinds."""
    top, _, below = under.partition("/")
    kind = top if below and top in _KIND_FOLDERS else ("" if has_kinds else "speech")
    if not kind:
        return None
    if kind == "rir":
        return Entry(relative, kind, split or "all")
    within = below if has_kinds else under
    # The FIRST folder is the group, not the nearest: speaker/chapter/x.wav must never part a
    # speaker over two splits. A file outside any folder is a group of its own.
    group = within.split("/")[0] if "/" in within else relative
    if kind == "noise":
        return Entry(relative, kind, split, source=group)
    return Entry(relative, kind, split, speaker=group)


def _notes(root: Path, files: list[str], kept: list[Entry]) -> Iterable[str]:
    alone = sum(entry.relative in (entry.speaker, entry.source) for entry in kept)
    if alone:
        yield (
            f"{root}: {alone} files lie in no folder of a speaker or noise source; each counts as "
            "its own, so if one voice is in several of them, it can be in train AND test"
        )
    if len(kept) < len(files):
        yield (
            f"{root}: {len(files) - len(kept)} audio files outside {'/, '.join(_KIND_FOLDERS)}/ "
            "are not used"
        )


def audio_files(root: Path) -> Iterable[str]:
    """Paths below `root`, with /, of everything that has a suffix of audio; hidden ones not."""
    seen: set[str] = set()
    for folder, folders, names in os.walk(root, followlinks=True):
        real = os.path.realpath(folder)
        if real in seen:  # a link back to a parent would never end
            folders.clear()
            continue
        seen.add(real)
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in names:
            # A leading dot: hidden, or macOS's "._x.wav", which holds no audio.
            if Path(name).suffix.lower() in SUFFIXES and not name.startswith("."):
                yield (Path(folder) / name).relative_to(root).as_posix()


def split_by_hash(entries: list[Entry], root: Path) -> list[Entry]:
    """Give speakers and noise sources, whole, to train (80 %), valid and test (10 % each).

    The place of a group depends on its name alone, so it stays where it is when files are added.
    Only when a split would stay empty do the first, second and last group fill all three.
    Raises DataError with fewer than three speakers, or one or two noise sources.
    """
    speakers = _assign(
        {entry.speaker for entry in entries if entry.kind == "speech"}, root, "speakers"
    )
    sources = _assign(
        {entry.source for entry in entries if entry.kind == "noise"}, root, "noise sources"
    )
    table = {"speech": speakers, "noise": sources}
    return [
        replace(entry, split=table[entry.kind][entry.speaker or entry.source])
        if entry.kind in table
        else entry
        for entry in entries
    ]


def _assign(groups: set[str], root: Path, what: str) -> dict[str, str]:
    if not groups:
        return {}
    if len(groups) < len(SPLITS):
        raise DataError(
            f"{root}: found {', '.join(sorted(groups))}, wanted at least {len(SPLITS)} {what}: "
            f"train, valid and test need one each that the others never hear. Add {what} (one "
            "sub-folder each), put the files into folders train/, valid/, test/, or write a "
            "manifest.csv"
        )
    order = sorted(groups, key=_place)
    split = {group: "test" if _place(group) < 0.1 else "valid" if _place(group) < 0.2 else "train"
             for group in order}  # fmt: skip
    if set(split.values()) != set(SPLITS):
        split.update({order[0]: "test", order[1]: "valid", order[-1]: "train"})
    return split


def _place(group: str) -> float:
    """A number in [0, 1) that depends on nothing but the name."""
    return int.from_bytes(hashlib.blake2b(group.encode(), digest_size=8).digest(), "big") / 2**64
