"""The documentation speaks of what is there: links, files, commands and their flags."""

import contextlib
import io
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from wellposed.cli import COMMANDS, main
from wellposed.engine.explain.bearing import BEARINGS
from wellposed.engine.keys import keys
from wellposed.guard.rules import rule_codes
from wellposed.systems import SYSTEMS, recipe_type

ROOT = Path(__file__).parents[1]
PAGES = sorted(
    path
    for where in ("*.md", "docs/**/*.md", "benchmarks/*.md", "src/**/*.md")
    for path in ROOT.glob(where)
)
NAMES = [str(path.relative_to(ROOT)) for path in PAGES]
ACTIONS = {
    "codec": ("encode", "decode", "info", "truncate", "tables", "release"),
    "data": ("check", "rooms"),
    "locate": ("talk.wav --array x.yaml", ""),
    "audit": ("enhance --ranges", ""),
}
"""Commands that take other flags by what comes after their name."""


def commands(text: str) -> Iterator[tuple[str, str]]:
    """Names and arguments of all `wellposed` commands in blocks of code and between backticks."""
    blocks = re.findall(r"```(?:bash|sh)?\n(.*?)```", text, re.DOTALL)
    spans = re.findall(r"`(wellposed [^`]+)`", text)
    for piece in (*blocks, *spans):
        whole = re.sub(r"\\\n\s*", " ", piece)
        for line in whole.splitlines():
            for each in re.split(r"\s\||&&|\s#|;", line):
                if found := re.search(r"(?:^|\s)wellposed (\w+)(.*)", each):
                    yield found[1], found[2]


@cache
def told(name: str) -> str:
    """What the help of a command says, that of its actions with it."""
    said = io.StringIO()
    for action in ACTIONS.get(name, ("",)):
        with contextlib.redirect_stdout(said), contextlib.suppress(SystemExit):
            main([name, *action.split(), "--help"])
    return said.getvalue()


@cache
def settings() -> frozenset[str]:
    """Flags of all recipes, as the command line writes them."""
    recipes = [recipe_type(system)().model_dump(mode="json") for system in SYSTEMS]
    return frozenset(key.replace("_", "-") for recipe in recipes for key in keys(recipe))


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_every_link_leads_to_a_file_and_a_heading(page: Path):
    text = re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)
    for link in re.findall(r"\]\(((?!http|mailto)[^)\s]+)\)", text):
        name, _, place = link.partition("#")
        target = (page.parent / name) if name else page
        assert target.exists(), link
        if place:
            heads = re.findall(r"^#+ (.*)$", target.read_text(), re.MULTILINE)
            bare = [re.sub(r"[^\w\- ]", "", head.strip().lower()) for head in heads]
            assert place in [head.replace(" ", "-") for head in bare], link


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_every_file_that_is_named_is_there(page: Path):
    text = page.read_text()
    for name in re.findall(r"\b((?:tests|benchmarks)/[\w/]+\.py)\b", text):
        assert (ROOT / name).is_file(), name
    layers = "cli|data|doctor|dsp|engine|faults|guard|losses|metrics|nn|report|systems"
    for name in re.findall(rf"`((?:{layers})/[\w/]+\.\w+)`", text):
        assert (ROOT / "src" / "wellposed" / name).exists() or "nnn" in name, name


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_every_command_and_flag_that_is_named_exists(page: Path):
    for name, rest in commands(page.read_text()):
        assert name in COMMANDS, name
        for flag in re.findall(r"(?<=\s)--([a-z][\w.\-]*)", rest):
            if "." in flag:
                assert flag.replace("_", "-") in settings(), f"{name} --{flag}"
            else:
                assert re.search(rf"--{flag}\b", told(name)), f"{name} --{flag}"


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_every_code_that_is_named_has_a_page(page: Path):
    for code in re.findall(r"\bWP\d{3}\b", page.read_text()):
        # Numbers that were given up stay named where it is told why.
        assert code in rule_codes() or code in ("WP303", "WP406"), code


def test_every_command_is_in_the_documentation():
    text = "".join(path.read_text() for path in PAGES)
    assert [name for name in COMMANDS if f"wellposed {name}" not in text] == []


def test_the_table_of_the_guard_has_every_code_of_a_run():
    text = (ROOT / "docs" / "guard.md").read_text()
    assert [code for code in BEARINGS if code not in text] == []
