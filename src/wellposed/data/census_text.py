"""The census as text for a terminal or a log: a table, then what was found."""

from collections import defaultdict
from collections.abc import Iterable, Sequence

import numpy as np

from wellposed.data.fingerprint import HOP, MIN_OVERLAP, RATE
from wellposed.data.layout import Entry
from wellposed.data.measure import Facts
from wellposed.data.problems import Problem

_SHOWN = {"error": 12, "warning": 12, "note": 3}  # of one code; the JSON has all
_COLUMNS = "kind           split   files  groups    hours  rate kHz  level dB: 5 %  median  95 %"


def to_text(
    entries: Sequence[Entry], measured: Sequence[Facts], problems: Sequence[Problem]
) -> str:
    """One line for each kind and split, one for each problem, and a last one that sums up."""
    lines = [_COLUMNS]
    rows: dict[tuple[str, str], list[tuple[Entry, Facts]]] = defaultdict(list)
    for entry, facts in zip(entries, measured, strict=True):
        rows[entry.kind, entry.split].append((entry, facts))
    lines += [_row(kind, split, files) for (kind, split), files in sorted(rows.items())]
    short = sum(0 < one.seconds < MIN_OVERLAP * HOP / RATE + 0.42 for one in measured)
    lines.append("")
    if short:
        lines.append(f"{short} files under 1.65 s were compared for identical samples only")
    lines += _problem_lines(problems)
    counts = {level: 0 for level in ("error", "warning", "note")}
    for problem in problems:
        counts[problem.level] += 1
    found = ", ".join(f"{count} {level}{'s' * (count != 1)}" for level, count in counts.items())
    return "\n".join([*lines, found])


def _row(kind: str, split: str, files: list[tuple[Entry, Facts]]) -> str:
    groups = {entry.speaker or entry.source or entry.relative for entry, _ in files}
    good = [facts for _, facts in files if facts.rate]
    hours = sum(facts.seconds for facts in good) / 3600
    rates = "/".join(f"{rate / 1000:g}" for rate in sorted({facts.rate for facts in good}))
    levels = [facts.level_db for facts in good if np.isfinite(facts.level_db)]
    low, middle, high = np.percentile(levels, (5, 50, 95)) if levels else (np.nan,) * 3
    return (
        f"{kind:14} {split or '-':6} {len(files):6d} {len(groups):7d} {hours:8.3f} {rates:>9}"
        f" {low:14.1f} {middle:7.1f} {high:5.1f}"
    )


def _problem_lines(problems: Iterable[Problem]) -> Iterable[str]:
    by_code: dict[tuple[str, str], list[Problem]] = defaultdict(list)
    for problem in problems:
        by_code[problem.level, problem.code].append(problem)
    for (level, code), alike in by_code.items():
        for problem in alike[: _SHOWN[level]]:
            name = f"{problem.files[0]}: " if len(problem.files) == 1 else ""
            # The text of an unreadable file names it with its full path already.
            name = "" if code == "unreadable" else name
            yield f"{level} {code}: {name}{problem.text}"
            if len(problem.files) > 1 and code != "crossing":
                more = f" and {len(problem.files) - 4} more" if len(problem.files) > 4 else ""
                yield f"    {', '.join(problem.files[:4])}{more}"
        if len(alike) > _SHOWN[level]:
            yield f"{level} {code}: {len(alike) - _SHOWN[level]} more like these (--json lists all)"
