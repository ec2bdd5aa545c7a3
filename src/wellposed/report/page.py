"""One page for a run: everything in a single file that asks nothing of any network.

`write_report` promises: the page appears whole or not at all, stays under `LARGEST_PAGE`, and its
own content security policy forbids every request and every script but the one it was built with.
"""

import base64
import hashlib
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from string import Template

from wellposed.engine.storage.atomic import replacing
from wellposed.report.curves import curves_section
from wellposed.report.examples import examples_section
from wellposed.report.facts import RunFacts, read_facts
from wellposed.report.markup import text
from wellposed.report.questions import questions_section
from wellposed.report.rates import rates_section
from wellposed.report.replayed import replay_section
from wellposed.report.sections import recipe_section, verdict_section

LARGEST_PAGE = 5_000_000
"""Bytes; what mail programs and phones still take without complaint."""
_SPARE = 50_000


def write_report(run: Path) -> Path:
    """Write `run`/report.html from what the run folder holds and return its path.

    Raises:
        RunError: the folder has no recipe.yaml or no history.jsonl, so it is not a run.
    """
    page = render(run).encode()
    path = run / "report.html"
    with replacing(path) as file:
        file.write(page)
    return path


@dataclass(frozen=True)
class Frame:
    """What a page has around it where it is served; a file has nothing."""

    top: str = ""
    """HTML above the name, such as the way back to other pages."""
    live: str = ""
    """HTML below the verdict, which `script` fills while the run goes on."""
    script: str = ""
    connects: bool = False
    """Whether the script may ask the server that the page came from."""


def render(run: Path, frame: Frame | None = None) -> str:
    """The page of a run as HTML.

    Raises:
        RunError: the folder has no recipe.yaml or no history.jsonl, so it is not a run.
    """
    return render_facts(read_facts(run), frame or Frame())


def render_facts(facts: RunFacts, frame: Frame, most_bytes: int = LARGEST_PAGE) -> str:
    """The page of a run that was read already; examples that make it larger are left out."""
    run = facts.folder
    name = run.resolve().name
    script = part("page.js") + frame.script
    slots = {
        "top": frame.top,
        "live": frame.live,
        "connects": "; connect-src 'self'" if frame.connects else "",
        "title": text(f"{name}: wellposed report"),
        "name": text(name),
        "style": part("page.css"),
        "script": script,
        "script_hash": script_hash(script),
        "verdict": verdict_section(facts),
        "questions": questions_section(facts),
        "curves": curves_section(facts),
        "replay": replay_section(facts),
        "recipe": recipe_section(facts),
        "footer": "Made by wellposed from this run folder alone; the page loads nothing else.",
    }
    slots["rates"] = rates_section(run, most_bytes // 2)
    slots["rates_link"] = '<a href="#rates">Bitrates</a>' if slots["rates"] else ""
    used = sum(len(part.encode()) for part in slots.values())
    slots["examples"] = examples_section(facts.examples, most_bytes - _SPARE - used)
    return Template(part("page.html")).substitute(slots)


def part(name: str) -> str:
    """The text of a file beside this one."""
    return (files("wellposed.report") / name).read_text(encoding="utf-8")


def script_hash(script: str) -> str:
    """What a content security policy calls a script by."""
    digest = hashlib.sha256(script.encode()).digest()
    return f"sha256-{base64.b64encode(digest).decode()}"
