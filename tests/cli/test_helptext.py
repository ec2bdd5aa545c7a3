"""Help reads in whole sentences, within the terminal, and says what a default means."""

import re
from contextlib import suppress
from dataclasses import dataclass
from typing import Annotated

import pytest
import tyro

from wellposed.cli import COMMANDS, main
from wellposed.cli.helptext import field_texts
from wellposed.cli.options import read_options
from wellposed.engine.explain.bearing import BEARINGS
from wellposed.guard.rules import rule_codes
from wellposed.systems import SYSTEMS

ACTIONS = {
    "codec": ("encode", "decode", "info", "truncate", "tables", "release"),
    "data": ("check", "rooms"),
    "locate": ("", "talk.wav"),
    "audit": ("", "enhance --ranges"),
    "train": ("", *SYSTEMS),
}
LINES = [" ".join([name, *each.split()]) for name in COMMANDS for each in ACTIONS.get(name, ("",))]


@dataclass
class Base:
    """A base."""

    device: str = "cpu"
    """Where to compute:
    on a processor."""


@dataclass
class Asked(Base):
    """Ask for something.

    A second paragraph, which is so long that it takes more than one line of a terminal, and which
    was broken in the source.
    """

    names: tuple[str, ...] = ()
    """Names. A sentence that goes on in the
    next line of the source;
    and in one more."""
    span: Annotated[tuple[float, float] | None, tyro.conf.arg(metavar="FROM TO")] = None
    """Where to look; without it everywhere."""
    parts: tyro.conf.UseAppendAction[tuple[str, ...]] = ()
    """Parts."""
    steps: int = 3
    """Steps."""
    json: bool = False
    """As JSON."""


def told(line: str, capsys: pytest.CaptureFixture[str]) -> str:
    with suppress(SystemExit):
        main([*line.split(), "--help"])
    return capsys.readouterr().out


def test_a_text_below_a_field_is_one_paragraph_and_those_of_a_base_belong_to_it():
    texts = field_texts(Asked)
    assert texts["device"] == "Where to compute: on a processor."
    assert texts["names"] == (
        "Names. A sentence that goes on in the next line of the source; and in one more."
    )


def test_help_is_wrapped_and_shows_values_and_defaults_that_say_something(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "60")
    with pytest.raises(SystemExit):
        read_options(Asked, "asked", ["--help"])
    said = capsys.readouterr().out
    assert max(map(len, said.splitlines())) <= 60
    assert "A second paragraph, which is so long that it takes more than\none line" in said
    flat = " ".join(re.sub(r"[│]", " ", said).split())
    assert "--device DEVICE Where to compute: on a processor. (default: cpu)" in flat
    assert "--names TEXT ... Names. A sentence that goes on in the next line" in flat
    assert "--span FROM TO Where to look; without it everywhere. --parts" in flat
    assert "--parts TEXT Parts. (repeatable)" in flat
    assert "(default: 3)" in flat
    assert flat.count("(default") == 2


def test_options_are_read_as_before_they_were_described():
    given = ["--names", "a", "b", "--span", "-1", "2", "--parts", "x", "--parts", "y", "--json"]
    assert read_options(Asked, "asked", given) == Asked(
        "cpu", ("a", "b"), (-1.0, 2.0), ("x", "y"), 3, json=True
    )
    assert read_options(Asked, "asked", []) == Asked()


@pytest.mark.parametrize("line", LINES)
def test_no_help_is_wider_than_the_terminal_or_shows_what_only_a_programmer_reads(
    line, capsys, monkeypatch
):
    for width in (80, 100):
        monkeypatch.setenv("COLUMNS", str(width))
        said = told(line, capsys)
        assert max(map(len, said.splitlines())) <= width
        for strange in ("(default: None)", "(default: )", "{None}", "{fixed}", "STR", "...]"):
            assert strange not in said


def test_rule_without_a_code_lists_all_and_show_without_a_system_those(capsys):
    assert main(["rule"]) == 0
    said = capsys.readouterr().out
    for code in rule_codes():
        assert re.search(rf"^{code} [A-Z_.]+: \w", said, re.MULTILINE)
    assert main(["show"]) == 0
    said = capsys.readouterr().out
    for system in SYSTEMS:
        assert re.search(rf"^  {system} +[A-Z]", said, re.MULTILINE)


@pytest.mark.parametrize("code", rule_codes())
def test_a_page_ends_in_what_its_letters_mean_and_what_replays_can_tell(code, capsys):
    assert main(["rule", code.lower()]) == 0
    said = " ".join(capsys.readouterr().out.split())
    page, _, beside = said.rpartition("Sources of thresholds: ")
    assert set(re.findall(r"\*\*([A-Z])\*\*", page)) == set(re.findall(r"\b([A-Z]), ", beside))
    replayed = f"`wellposed explain RUN --finding {code}` changes one thing" in beside
    assert (replayed or "no replay tells more" in beside) == (code in BEARINGS)
