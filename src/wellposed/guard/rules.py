"""The page behind every finding code, shipped as Markdown beside this file.

A page says what the finding means, what it looks like in a log, how it is measured, what
proves it and what to try. Its first line is `# CODE NAME: one sentence`. A new check brings
a new page; nothing else has to be registered.
"""

import difflib
from functools import cache
from importlib.resources import files


def rule(code: str) -> str:
    """The page of a finding code, as Markdown. Raises ValueError for an unknown code."""
    wanted = code.strip().upper()
    pages = _pages()
    if wanted not in pages:
        near = difflib.get_close_matches(wanted, pages, n=3, cutoff=0.6) or sorted(pages)
        raise ValueError(f"unknown finding code {code!r}; nearest: {', '.join(sorted(near))}")
    return pages[wanted]


def rule_codes() -> tuple[str, ...]:
    """All codes that have a page, sorted."""
    return tuple(sorted(_pages()))


def rule_name(code: str) -> str:
    """The name of a code in capitals, such as `NONFINITE.FORWARD`."""
    return rule(code).split("\n", 1)[0].split()[2].rstrip(":")


@cache
def _pages() -> dict[str, str]:
    # Relative to this package under whatever name it was copied to.
    folder = files(__package__ or __name__.rpartition(".")[0]) / "pages"
    return {
        page.name.removesuffix(".md"): page.read_text(encoding="utf-8")
        for page in folder.iterdir()
        if page.name.endswith(".md")
    }
