"""A corpus: which files are speech, noise and rooms, who is in them, and in which split.

Promises: no speaker and no noise source is in two splits (`Corpus` cannot be built otherwise);
`frames` is exact, so a scene can be drawn without opening a file; `digest` names the data and is
the same on every machine and under every root folder. Opening decodes nothing.
"""

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from wellposed.data import audio
from wellposed.data.layout import SPLITS, Entry, read_manifest, scan_folder, split_by_hash
from wellposed.errors import DataError

_KINDS = ("speech", "noise", "rir")
# The manifest's seconds may be rounded; more than this apart, the file is another one.
SECONDS_TOLERANCE = 0.05


@dataclass(frozen=True)
class Clip:
    """One audio file of a corpus."""

    path: Path
    kind: str
    """speech, noise or rir"""
    group: str
    """the speaker, or the recording that a noise clip was cut from"""
    split: str
    """train, valid or test; all for room responses that are in no split"""
    rate: int
    """Hz"""
    frames: int
    """samples per channel"""
    channels: int
    licence: str = ""
    """"" when nobody said"""
    gender: str = ""
    """of the speaker: f or m; "" when nobody said"""


@dataclass(frozen=True)
class CorpusChoice:
    """Which files of a manifest or folder are used, and as what."""

    speech_kinds: tuple[str, ...] = ("speech",)
    """the manifest's kinds that count as speech, such as speech48 or paired_clean"""
    noise_kinds: tuple[str, ...] = ("noise",)
    rir_kinds: tuple[str, ...] = ("rir",)
    include: tuple[str, ...] = ()
    """beginnings of paths, or names of corpora; empty: everything"""
    exclude: tuple[str, ...] = ()
    """beginnings of paths, or names of corpora"""
    languages: tuple[str, ...] = ()
    """of speech; empty: every language"""
    exclude_licences: tuple[str, ...] = ()
    """parts of licence names, such as "-SA"; files with no licence at all go with them"""
    min_seconds: float = 0.0
    """of speech and noise"""


@dataclass(frozen=True)
class Corpus:
    """Clips whose speakers and noise sources stay on their side of the splits.

    Raises DataError when one does not.
    """

    clips: tuple[Clip, ...]
    root: Path
    digest: str
    """SHA-256, hexadecimal, over path below the root, size, frames, split and group of each file"""
    notes: tuple[str, ...] = ()
    """what was assumed where nothing was said"""

    def __post_init__(self) -> None:
        """Refuse a group in two splits."""
        seen: dict[tuple[str, str], Clip] = {}
        for clip in self.clips:
            if clip.kind == "rir":
                continue
            if clip.split not in SPLITS:
                raise DataError(
                    f"{clip.path}: split is '{clip.split}', but {clip.kind} must be in one of "
                    f"{', '.join(SPLITS)}; only rir may be in all"
                )
            first = seen.setdefault((clip.kind, clip.group), clip)
            if first.split != clip.split:
                who = "speaker" if clip.kind == "speech" else "noise source"
                raise DataError(
                    f"the {who} '{clip.group}' is in two splits: {first.split} ({first.path}) and "
                    f"{clip.split} ({clip.path}); scores would be of voices or noises already "
                    f"heard. Put all files of '{clip.group}' into one split"
                )

    def select(self, kind: str, split: str) -> tuple[Clip, ...]:
        """Clips of a kind in a split, by path; those in `all` belong to every split."""
        assert kind in _KINDS, kind
        assert split in (*SPLITS, "all"), split
        return tuple(
            clip for clip in self.clips if clip.kind == kind and clip.split in (split, "all")
        )


def open_corpus(path: Path | str, choice: CorpusChoice | None = None) -> Corpus:
    """Open a manifest.csv, a folder that holds one, or a plain folder of audio.

    docs/data.md says what is accepted and how a plain folder is split. Headers are read (0.3 ms
    a file) unless the manifest has the columns frames, sample_rate and channels.

    Raises DataError: nothing there, a manifest that cannot be used, files missing or other than
    the manifest says, a choice that leaves no speech, a speaker in two splits.
    """
    path, choice = Path(path), choice or CorpusChoice()
    root, entries, notes = list_entries(path)
    if not all(entry.split for entry in entries):
        entries = split_by_hash(entries, path)
    chosen = [(kind, entry) for entry in entries if (kind := _kind(entry, choice))]
    _require_known(path, entries, choice)
    chosen = [(kind, entry) for kind, entry in chosen if _wanted(kind, entry, choice)]
    clips = [_clip(root, kind, entry) for kind, entry in chosen]
    clips = [clip for clip in clips if _long_enough(clip, choice)]
    if not any(clip.kind == "speech" for clip in clips):
        found = ", ".join(f"{n} {kind}" for kind, n in Counter(e.kind for e in entries).items())
        raise DataError(
            f"{path}: no speech is left of {len(entries)} files ({found}); loosen the choice: "
            f"{choice}"
        )
    ordered = tuple(sorted(clips, key=lambda clip: clip.path.relative_to(root).as_posix()))
    return Corpus(ordered, root, _digest(ordered, root), notes)


def list_entries(path: Path) -> tuple[Path, list[Entry], tuple[str, ...]]:
    """Root folder, every file as described, and notes. Splits of a plain folder may be ""."""
    manifest = path / "manifest.csv" if path.is_dir() else path
    if manifest.is_file():
        if manifest.suffix.lower() != ".csv":
            raise DataError(f"{path}: a folder or a manifest.csv is wanted, this is a single file")
        return manifest.parent, read_manifest(manifest), ()
    if not path.is_dir():
        raise DataError(f"{path}: no such folder or manifest; check the path")
    return path, *scan_folder(path)


def _kind(entry: Entry, choice: CorpusChoice) -> str:
    table = (choice.speech_kinds, choice.noise_kinds, choice.rir_kinds)
    return next(
        (kind for kind, names in zip(_KINDS, table, strict=True) if entry.kind in names), ""
    )


def _require_known(path: Path, entries: Sequence[Entry], choice: CorpusChoice) -> None:
    """A choice by a word that the manifest does not know would silently choose nothing."""
    present = {entry.kind for entry in entries}
    asked = {*choice.speech_kinds, *choice.noise_kinds, *choice.rir_kinds}
    if unknown := asked - present - set(_KINDS):
        raise DataError(
            f"{path}: there is no kind {', '.join(sorted(unknown))}; "
            f"there are {', '.join(sorted(present))}"
        )
    columns = {"language": choice.languages, "licence": choice.exclude_licences}
    for column, values in columns.items():
        if values and all(getattr(entry, column) is None for entry in entries):
            raise DataError(
                f"{path}: cannot choose by {column}, nothing says it; add the column "
                f"'{column}' to a manifest.csv, or leave that choice out"
            )


def _wanted(kind: str, entry: Entry, choice: CorpusChoice) -> bool:
    def named(beginnings: tuple[str, ...]) -> bool:
        return entry.corpus in beginnings or entry.relative.startswith(beginnings)

    licence = entry.licence or ""
    if choice.exclude_licences and (
        not licence or any(part in licence for part in choice.exclude_licences)
    ):
        return False
    if choice.include and not named(choice.include):
        return False
    if choice.exclude and named(choice.exclude):
        return False
    return kind != "speech" or not choice.languages or entry.language in choice.languages


def _clip(root: Path, kind: str, entry: Entry) -> Clip:
    path = root / entry.relative
    if kind == "speech" and not entry.speaker:
        raise DataError(
            f"{path}: speech without a speaker; fill in the manifest's column speaker (unknown "
            "voices may share one name, which keeps them in one split)"
        )
    group = {"speech": entry.speaker, "noise": entry.source, "rir": ""}[kind] or entry.relative
    split, licence = entry.split, entry.licence or ""
    if entry.frames and entry.rate and entry.channels:
        sizes = (entry.rate, entry.frames, entry.channels)
        return Clip(path, kind, group, split, *sizes, licence, entry.gender)
    info = audio.inspect(path)
    sizes = (info.rate, info.frames, info.channels)
    clip = Clip(path, kind, group, split, *sizes, licence, entry.gender)
    said = replace(entry, rate=entry.rate or info.rate, seconds=entry.seconds or info.seconds)
    if said.rate != info.rate or abs((said.seconds or 0) - info.seconds) > SECONDS_TOLERANCE:
        raise DataError(
            f"{path}: the manifest says {said.seconds:.2f} s at {said.rate} Hz, the file has "
            f"{info.seconds:.2f} s at {info.rate} Hz; correct the manifest or fetch the file again"
        )
    return clip


def _long_enough(clip: Clip, choice: CorpusChoice) -> bool:
    return clip.kind == "rir" or clip.frames / clip.rate >= choice.min_seconds


def _digest(clips: Sequence[Clip], root: Path) -> str:
    total = hashlib.sha256()
    for clip in clips:
        try:
            size = clip.path.stat().st_size
        except OSError as error:
            raise DataError(
                f"{clip.path}: the manifest names it, but it is not there; fetch it, or remove "
                "its row"
            ) from error
        fields = (clip.path.relative_to(root).as_posix(), size, clip.frames, clip.split, clip.group)
        total.update("\t".join(map(str, fields)).encode() + b"\n")
    return total.hexdigest()
