"""The rules by which a file or a corpus is found wanting; docs/data.md explains each.

An error makes training or its scores wrong, a warning is worth a look, a note is not wrong.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from wellposed.data import audio
from wellposed.data.corpus import SECONDS_TOLERANCE
from wellposed.data.fingerprint import Fingerprint, Match, find_matches
from wellposed.data.layout import Entry, audio_files
from wellposed.data.measure import Facts

# 33 steps of 16 bit; the quietest of 1082 files of a real corpus peaks at -42 dB.
_SILENT_PEAK = 10 ** (-60 / 20)
# A tenth of the power: every level and every signal-to-noise ratio is wrong by 0.46 dB.
_OFFSET_SHARE = 0.1


@dataclass(frozen=True)
class Problem:
    """Something found, with the files it was found in."""

    level: str
    """error, warning or note"""
    code: str
    """unreadable, nonfinite, silent, clipped, offset, differs, crossing, duplicate,
    same-recording or corpus"""
    text: str
    files: tuple[str, ...] = ()
    """paths below the root"""


def is_audio(entry: Entry) -> bool:
    """Whether its name says so; manifests also list tables and arrays."""
    return Path(entry.relative).suffix.lower() in audio.SUFFIXES


def of_listing(root: Path, listed: Sequence[Entry]) -> Iterable[Problem]:
    """Files that the manifest names and cannot be audio, and audio that it does not name."""
    others = tuple(entry.relative for entry in listed if not is_audio(entry))
    if others:
        yield Problem("note", "corpus", f"not audio by name, not looked at: {len(others)}", others)
    known = {entry.relative for entry in listed}
    extra = tuple(sorted(name for name in audio_files(root) if name not in known))
    if extra:
        text = f"audio that the corpus does not name: {len(extra)} files"
        yield Problem("note", "corpus", text, extra)


def of_file(entry: Entry, facts: Facts) -> Iterable[Problem]:
    """What one file shows by itself."""
    files = (entry.relative,)
    if facts.problem:
        yield Problem("error", "unreadable", facts.problem, files)
        return
    if facts.nonfinite:
        yield Problem(
            "error",
            "nonfinite",
            f"{facts.nonfinite} samples are NaN or infinite, first at {facts.nonfinite_s:.3f} s",
            files,
        )
    if facts.peak < _SILENT_PEAK:
        peak = f"{20 * math.log10(facts.peak):.0f} dB" if facts.peak else "0"
        yield Problem("error", "silent", f"nothing is above -60 dB of full scale ({peak})", files)
    if facts.flat:
        text = f"clipped: {facts.flat} samples in flat tops at a peak of {facts.peak:.3f}"
        yield Problem("warning", "clipped", text, files)
    if facts.offset_share > _OFFSET_SHARE and facts.peak >= _SILENT_PEAK:
        text = f"a constant {facts.offset:+.3f} is {facts.offset_share:.0%} of the power"
        yield Problem("warning", "offset", text, files)
    yield from _differences(entry, facts)


def _differences(entry: Entry, facts: Facts) -> Iterable[Problem]:
    """The manifest against the file."""
    pairs = [
        ("Hz", entry.rate, facts.rate, 0),
        ("channels", entry.channels, facts.channels, 0),
        ("samples", entry.frames, facts.frames, 0),
        ("s", entry.seconds, facts.seconds, SECONDS_TOLERANCE),
    ]
    for unit, said, found, tolerance in pairs:
        if said is not None and abs(said - found) > tolerance:
            text = f"the manifest says {said:g} {unit}, the file has {found:g} {unit}"
            yield Problem("error", "differs", text, (entry.relative,))


def of_groups(entries: Sequence[Entry]) -> Iterable[Problem]:
    """Speakers and noise sources in two splits."""
    example: dict[tuple[str, str], dict[str, str]] = defaultdict(dict)
    for entry in entries:
        what, group = (
            ("speaker", entry.speaker) if entry.speaker else ("noise source", entry.source)
        )
        if group and entry.split not in ("", "all"):
            example[what, group].setdefault(entry.split, entry.relative)
    for (what, group), places in example.items():
        if len(places) > 1:
            where = " and ".join(f"{split} ({file})" for split, file in places.items())
            text = f"the {what} '{group}' is in {where}; move all its files into one split"
            yield Problem("error", "crossing", text, tuple(places.values()))


def of_samples(entries: Sequence[Entry], facts: Sequence[Facts]) -> Iterable[Problem]:
    """Files with identical samples, whatever their container."""
    same: dict[str, list[Entry]] = defaultdict(list)
    for entry, one in zip(entries, facts, strict=True):
        if one.digest and one.peak:
            same[one.digest].append(entry)
    for copies in same.values():
        if len(copies) > 1:
            splits = sorted({entry.split for entry in copies})
            crossing = len(splits) > 1
            where = " and ".join(splits) or "no split"
            text = f"{len(copies)} files have identical samples, in {where}"
            text += "; keep them in one split" if crossing else ""
            files = tuple(entry.relative for entry in copies)
            yield Problem("error" if crossing else "warning", "duplicate", text, files)


def of_recordings(
    entries: Sequence[Entry], facts: Sequence[Facts], prints: Sequence[Fingerprint | None]
) -> Iterable[Problem]:
    """Files that share a recording at another level, rate, codec or trimming."""
    # Identical files are reported already: one of them stands for all.
    first = {one.digest: at for at, one in reversed(list(enumerate(facts))) if one.digest}
    places = sorted(first.values())
    matches = find_matches([heard for at in places if (heard := prints[at]) is not None])
    for linked in _groups(matches):
        members = sorted({places[at] for match in linked for at in (match.first, match.second)})

        def splits(match: Match) -> set[str]:
            return {entries[places[match.first]].split, entries[places[match.second]].split}

        all_splits = {entries[at].split for at in members}
        clearest = min(linked, key=lambda match: (len(splits(match)) == 1, match.error_rate))
        crossing = len(all_splits) > 1
        text = (
            f"{len(members)} files share a recording, in {' and '.join(sorted(all_splits))}: "
            f"{_named(entries[places[clearest.first]])} and "
            f"{_named(entries[places[clearest.second]])} agree in {1 - clearest.error_rate:.1%} of "
            f"the bits of their fingerprints (50 % by chance) over {clearest.overlap_s:.1f} s, the "
            f"second starting {clearest.shift_s:+.2f} s into the first"
        )
        files = tuple(entries[at].relative for at in members)
        yield Problem("error" if crossing else "note", "same-recording", text, files)


def _named(entry: Entry) -> str:
    return f"{entry.relative} ({entry.split or 'no split'})"


def _groups(matches: Sequence[Match]) -> Iterable[list[Match]]:
    """Matches that are linked by their files, together."""
    parent: dict[int, int] = {}

    def root(at: int) -> int:
        while parent.setdefault(at, at) != at:
            at = parent[at]
        return at

    for match in matches:
        parent[root(match.first)] = root(match.second)
    groups: dict[int, list[Match]] = defaultdict(list)
    for match in matches:
        groups[root(match.first)].append(match)
    return groups.values()
