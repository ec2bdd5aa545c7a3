"""Commands that look and tell: report, data check, show, rule."""

import re
import shutil
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from wellposed.cli.helptext import one_paragraph
from wellposed.cli.options import read_options
from wellposed.data.census import run_census
from wellposed.engine.explain.bearing import BEARINGS, OWN
from wellposed.engine.recipe import dump
from wellposed.engine.storage.atomic import replacing
from wellposed.errors import DataError, RecipeError
from wellposed.guard import rule as rule_page
from wellposed.guard.rules import rule_codes
from wellposed.report.page import write_report
from wellposed.systems import SYSTEMS, system_type


@dataclass
class Report:
    """Write RUN/report.html: verdict, findings, curves, sound and recipe on one page."""

    run: tyro.conf.Positional[Path]
    """Folder of the run."""


def report(arguments: list[str]) -> int:
    """Write the report page of a run."""
    print(write_report(read_options(Report, "wellposed report", arguments).run))
    return 0


@dataclass
class Check:
    """Look for faults in audio files: unreadable, clipped, silent, doubled, in two splits."""

    path: tyro.conf.Positional[Path]
    """Folder of audio, or a manifest.csv."""
    json: bool = False
    """Print JSON for machines."""


@dataclass
class RoomsMade:
    """Simulate rooms once and keep them in a file, for `scenes.rooms` of a recipe.

    Needs pyroomacoustics: pip install 'wellposed[rooms]'.
    """

    output: Annotated[Path, tyro.conf.arg(aliases=["-o"])]
    """File to write, such as rooms.npz."""
    rate: int = 16000
    """Sample rate of the responses [Hz]."""
    rooms: int = 100
    """How many rooms; of ten, eight are for training, one each for validation and test."""
    places: int = 5
    """Places of voices in each room: a target, three others and one to spare."""
    seed: int = 0
    """The same seed gives the same rooms."""
    overwrite: bool = False
    """Replace a file that exists."""


def make_rooms(options: RoomsMade) -> int:
    """Simulate a bank and write it whole or not at all. Raises DataError: it exists."""
    # Imported here: what it needs is not needed by other commands.
    from wellposed.data.roomsimulation import simulate

    path = options.output
    if path.exists() and not options.overwrite:
        raise DataError(f"{path}: exists; name another file, or give --overwrite")
    bank = simulate(options.rate, options.rooms, options.places, options.seed)
    with replacing(path) as file:
        file.write(bank.bytes())
    print(f"{path}: {options.rooms} rooms, {options.places} places each, {bank.told['simulator']}")
    print(f"reverberation times {bank.decay_s.min():.2f} to {bank.decay_s.max():.2f} s")
    print(f"digest {bank.digest}")
    return 0


WIDEST = 110
"""Columns of the pages of findings, to which what is told beside them is wrapped."""
SOURCES = {
    "E": "exactness",
    "U": "rounding",
    "S": "the statistic's own spread",
    "V": "an extreme-value rule with a declared budget of false alarms",
    "B": "the size of the batch",
    "P": "what was planned or declared",
    "R": "a reference point with a meaning",
}
"""What a threshold of the guard may follow from, by the letter on the pages of findings."""

DATA = """  check   look for faults in audio files: unreadable, clipped, silent, doubled
  rooms   simulate rooms once and keep them in a file, for `scenes.rooms` of a recipe

Each says more with --help."""


def data(arguments: list[str]) -> int:
    """Check a folder of audio or a manifest (1 if something is wrong), or simulate rooms."""
    if arguments and arguments[0] == "check":
        options = read_options(Check, "wellposed data check", arguments[1:])
        return run_census(options.path, json=options.json)
    if arguments and arguments[0] == "rooms":
        return make_rooms(read_options(RoomsMade, "wellposed data rooms", arguments[1:]))
    usage = "wellposed data check DIR [--json], or wellposed data rooms -o FILE"
    if arguments and arguments[0] not in ("-h", "--help"):
        raise RecipeError(f"unknown action {arguments[0]!r}; wanted {usage}")
    print(f"usage: {usage}\n\n{DATA}")
    return 0


@dataclass
class Show:
    """Print a system's recipe with all defaults, and the sizes it comes in."""

    system: Annotated[tyro.conf.Positional[str | None], tyro.conf.arg(metavar="[SYSTEM]")] = None
    """codec, enhance, extract or locate; without it all are listed."""


def show(arguments: list[str]) -> int:
    """Print the default recipe as YAML, and the number of parameters of each size."""
    name = read_options(Show, "wellposed show", arguments).system
    if name is None:
        print("\n".join(_system_line(each) for each in SYSTEMS))
        print("\nThe recipe and the sizes of one: wellposed show SYSTEM")
        return 0
    kind = system_type(name)
    recipe = kind.recipe_type()
    for size, model in kind.sizes.items():
        networks = kind(recipe.model_copy(update={"model": model})).build()
        count = sum(p.numel() for net in networks.values() for p in net.parameters())
        print(f"# --size {size:<12} {count / 1e6:.3f} M parameters")
    print(dump(recipe), end="")
    return 0


def _system_line(name: str) -> str:
    kind = system_type(name)
    about = one_paragraph((kind.__doc__ or "").split("\n\n", 1)[0])
    return f"  {name:<8} {about}\n  {'':<8} sizes {', '.join(kind.sizes)}"


@dataclass
class Rule:
    """Explain a finding: what it means, how it is measured, what proves it, what to try."""

    code: Annotated[tyro.conf.Positional[str | None], tyro.conf.arg(metavar="[CODE]")] = None
    """Code or name of the finding, such as WP301; without it all are listed."""


def rule(arguments: list[str]) -> int:
    """Print the page of a finding's code, or the first lines of all pages."""
    code = read_options(Rule, "wellposed rule", arguments).code
    if code is None:
        print("\n".join(rule_page(each).split("\n", 1)[0].lstrip("# ") for each in rule_codes()))
        print("\nWP1: existence, WP2: uniqueness, WP3: stability, WP4: evidence.")
        print("The page of one: wellposed rule CODE")
        return 0
    try:
        page = rule_page(code)
    except ValueError as error:
        raise RecipeError(str(error)) from None
    width = min(shutil.get_terminal_size().columns, WIDEST)
    print(page.rstrip(), *(textwrap.fill(each, width) for each in _beside(page)), sep="\n\n")
    return 0


def _beside(page: str) -> Iterator[str]:
    """What the letters on a page stand for, and what replays can tell of its finding."""
    letters = dict.fromkeys(re.findall(r"\*\*([A-Z])\*\*", page))
    yield f"Sources of thresholds: {'; '.join(f'{each}, {SOURCES[each]}' for each in letters)}."
    code = page.split()[1]
    if code not in BEARINGS:
        return
    bearing = BEARINGS[code]
    tried = [*bearing.kinds, *bearing.names, *bearing.settings]
    named = ["what the system names itself" if each == OWN else each for each in tried]
    if tried:
        yield (
            f"In a run, `wellposed explain RUN --finding {code}` changes one thing at a time: "
            f"{', '.join(dict.fromkeys(named))}."
        )
    else:
        yield f"In a run no replay tells more: {bearing.why_none}."
