"""What the audit of a run says about its corpus, from a sample of its files."""

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import median

from wellposed.data.census import Census, sampled_census
from wellposed.data.corpus import CorpusChoice, open_corpus
from wellposed.data.problems import Problem
from wellposed.engine.sections import Data
from wellposed.guard.audit.verdict import Answer, Part, bad
from wellposed.guard.findings import Severity

QUICK_FILES = 48
"""Files that are decoded when all questions shall take a minute: 0.5 s for clips of 5 s."""
FILES = 480
"""Files that are decoded otherwise."""

KINDS: dict[str, tuple[str, Severity, str]] = {
    "crossing": ("WP416", Severity.FAIL, "split by speaker and by noise source"),
    "duplicate": ("WP416", Severity.FAIL, "keep one of them, or all in one split"),
    "same-recording": ("WP416", Severity.FAIL, "keep one of them, or all in one split"),
    "unreadable": ("WP417", Severity.FAIL, "leave them out: data.exclude"),
    "nonfinite": ("WP417", Severity.FAIL, "leave them out: data.exclude"),
    "differs": ("WP417", Severity.FAIL, "write the manifest anew"),
    "silent": ("WP418", Severity.WARN, "leave them out: data.exclude"),
    "clipped": ("WP418", Severity.WARN, "leave clipped speech out of the targets"),
    "offset": ("WP418", Severity.WARN, "take offsets out of the files"),
}
"""Code, severity and advice by the code of a corpus problem."""


def corpus_part(data: Data, *, quick: bool) -> Part:
    """Look at the files that a recipe uses. Raises DataError when there is no corpus."""
    if data.path is None:
        reason = "corpus: not asked: the sound is made, not recorded"
        return Part([Answer("evidence", reason, asked=False)])
    clips = open_corpus(data.path, CorpusChoice(**data.choice)).clips
    count = min(QUICK_FILES if quick else FILES, len(clips))
    made = sampled_census(data.path, frozenset(clip.path for clip in clips), count)
    groups = Counter((clip.kind, clip.group) for clip in clips)
    looked = f"{len(made.entries)} of {len(clips)} files decoded"
    answers = list(_found(made.problems, looked))
    if not answers:
        answers.append(Answer("evidence", _good(made, looked, len(groups))))
    return Part(answers, _numbers(made, len(clips)))


def _found(problems: Sequence[Problem], looked: str) -> Iterator[Answer]:
    """One answer for each kind of problem."""
    for kind, (code, severity, advice) in KINDS.items():
        found = [each for each in problems if each.code == kind and each.level != "note"]
        if not found:
            continue
        # A copy within one split costs weight, no truth.
        gravest = severity if any(each.level == "error" for each in found) else Severity.WARN
        files = list(dict.fromkeys(name for each in found for name in each.files))
        place = found[0].text if len(found) == 1 else f"{found[0].text}; {len(found) - 1} more"
        yield bad(
            "evidence",
            code,
            gravest,
            f"{kind}: {_short(files[0])}: {place} ({looked})" if files else f"{kind}: {place}",
            {"subject": kind, "problems": len(found), "files": ", ".join(files[:4])},
            suspects=(("these files", "wellposed data check names all of them"),),
            advice=advice,
        )


def _good(made: Census, looked: str, groups: int) -> str:
    levels = sorted(f.level_db for f in made.facts if math.isfinite(f.level_db))
    span = f"levels {levels[0]:.0f} to {levels[-1]:.0f} dB, " if levels else ""
    return (
        f"corpus: {looked}: {span}none broken, silent, clipped, offset or there twice; "
        f"none of {groups} speakers, noise sources and rooms is in two splits"
    )


def _numbers(made: Census, files: int) -> dict[str, object]:
    heard = [each.level_db for each in made.facts if math.isfinite(each.level_db)]
    return {
        "corpus_files": files,
        "corpus_files_decoded": len(made.entries),
        "corpus_seconds_decoded": sum(each.seconds for each in made.facts),
        "corpus_level_db_median": median(heard) if heard else math.nan,
        "corpus_problems": dict(Counter(each.code for each in made.problems)),
    }


def _short(name: str) -> str:
    return name if len(name) <= 48 else f".../{Path(name).name}"
