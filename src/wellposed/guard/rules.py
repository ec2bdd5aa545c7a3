"""The page behind every finding code, shipped as Markdown beside this file.

A page says what the finding means, what it looks like in a log, how it is measured, what
proves it and what to try. Its first line is `# CODE NAME: one sentence`. A new check brings
a new page; nothing else has to be registered.
"""

import difflib
from functools import cache
from importlib.resources import files


def rule(code: str) -> str:
    """The page of a finding's code or name, as Markdown. Raises ValueError for an unknown one."""
    wanted = code.strip().upper()
    pages = _pages()
    known = {**pages, **{_heading(page)[1]: page for page in pages.values()}}
    if wanted not in known:
        near = sorted(difflib.get_close_matches(wanted, known, n=3, cutoff=0.6))
        told = f"nearest: {', '.join(near)}" if near else f"there are {', '.join(sorted(pages))}"
        raise ValueError(f"unknown finding code {code!r}; {told}")
    return known[wanted]


def rule_codes() -> tuple[str, ...]:
    """All codes that have a page, sorted."""
    return tuple(sorted(_pages()))


def rule_name(code: str) -> str:
    """The name of a code in capitals, such as `NONFINITE.FORWARD`."""
    return _heading(rule(code))[1]


def _heading(page: str) -> tuple[str, str]:
    """Code and name from the first line of a page."""
    code, name = page.split("\n", 1)[0].split()[1:3]
    return code, name.rstrip(":")


@cache
def _pages() -> dict[str, str]:
    # Relative to this package under whatever name it was copied to.
    folder = files(__package__ or __name__.rpartition(".")[0]) / "pages"
    return {
        page.name.removesuffix(".md"): page.read_text(encoding="utf-8")
        for page in folder.iterdir()
        if page.name.endswith(".md")
    }
