"""Tables in Markdown, as typed into a report: every one of a file, named by its heading."""

import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

from wellposed.doctor.table import Problem, Table, from_text

_RULE = re.compile(r"\s*\|?\s*:?-{2,}:?\s*(\|\s*:?-{2,}:?\s*)*\|?\s*")
_HEADING = re.compile(r"#{1,6}\s+(?P<title>.*\S)\s*")

Lines = list[tuple[int, str]]


def has_table(text: str) -> bool:
    """Whether a line of cells is followed by a rule such as |---|---|."""
    lines = text.splitlines()
    return any(
        "|" in above and "|" in below and _RULE.fullmatch(below) for above, below in pairwise(lines)
    )


def read_markdown(text: str, path: Path) -> list[Table]:
    """All tables of a text, in order."""
    found = list(_blocks(text))
    tables = []
    for number, (heading, block) in enumerate(found, start=1):
        name = str(path) if len(found) == 1 else f"{path}, table {number}"
        tables.append(_table(f"{name} ({heading})" if heading else name, block, path))
    return tables


def _blocks(text: str) -> Iterator[tuple[str, Lines]]:
    """The heading above each table and its lines, header first, the rule left out."""
    heading, block = "", Lines()
    for number, line in [*enumerate(text.splitlines(), start=1), (0, "")]:
        if "|" in line:
            block.append((number, line))
            continue
        if len(block) > 1 and _RULE.fullmatch(block[1][1]):
            yield heading, [block[0], *block[2:]]
        block = Lines()
        if found := _HEADING.fullmatch(line):
            heading = found["title"]


def _table(name: str, block: Lines, path: Path) -> Table:
    header, problems, rows = _cells(block[0][1]), [], []
    for number, line in block[1:]:
        row = _cells(line)
        if len(row) == len(header):
            rows.append((number, row))
        else:
            what = f"{len(row)} cells where the header has {len(header)}; the line is not used"
            problems.append(Problem(f"{path}:{number}", what))
    table = from_text(name, header, rows, str(path))
    table.problems[:0] = problems
    return table


def _cells(line: str) -> list[str]:
    bare = line.strip().removeprefix("|")
    bare = bare[:-1] if bare.endswith("|") and not bare.endswith("\\|") else bare
    return [cell.replace("\\|", "|").strip() for cell in re.split(r"(?<!\\)\|", bare)]
