"""The table of all runs: what each is, how far, how good, and what was found."""

from collections.abc import Iterable
from pathlib import Path
from string import Template
from urllib.parse import quote

from wellposed.report.charts import name_of
from wellposed.report.facts import RunFacts
from wellposed.report.finding import SEVERITIES
from wellposed.report.markup import tag, text
from wellposed.report.page import part, script_hash
from wellposed.report.serving.found import Found, writer_of
from wellposed.report.serving.live import age_text
from wellposed.report.verdict import best_score, has_interval
from wellposed.report.wording import count, figure, quantity

HEAD = ("Run", "Compare", "Last score", "Findings", "State", "Step", "Best score", "Last row",
        "System")  # fmt: skip
COMPARE = (
    "Choose two runs to compare them: scene by scene where both were evaluated on the same scenes, "
    "curve by curve where not."
)


def run_address(key: str) -> str:
    """The path of a run's page on the server."""
    return f"/run/{quote(key, safe='/')}/"


def board(root: Path, runs: Iterable[tuple[Found, RunFacts | None]]) -> str:
    """The page; a run without facts is listed with why it is not shown."""
    rows = [_row(found, facts) for found, facts in runs]
    if not rows:
        content = tag("p", text(f"No runs below {root} yet."), class_="lead")
        return framed("Runs", f"Runs in {root.name}", content)
    header = "".join(tag("th", text(cell), scope="col") for cell in HEAD)
    caption = "Every run, by its path below the folder"
    content = tag("caption", caption) + tag("thead", tag("tr", header))
    content += tag("tbody", "".join(rows))
    scroll = (
        f'<div class="scroll card" tabindex="0" role="region" aria-label="{caption}">'
        f"{tag('table', content, class_='board')}</div>"
    )
    button = tag("button", "Compare the chosen two")
    form = tag("form", scroll + tag("p", text(COMPARE), class_="quiet") + button, action="/compare")
    pairs = tag(
        "p", tag("a", "Table of all pairs that were scored on the same items", href="/pairs")
    )
    return framed("Runs", f"Runs in {root.resolve().name}", form + pairs, "serving/board.js")


def framed(title: str, name: str, content: str, script: str = "", top: str = "") -> str:
    """A page of the server around `content`, which is HTML."""
    code = part(script) if script else ""
    slots = {
        "title": text(f"{title}: wellposed"),
        "name": text(name),
        "top": top,
        "style": part("page.css"),
        "content": content,
        "script": code,
        "script_hash": script_hash(code),
    }
    return Template(part("serving/board.html")).substitute(slots)


def _row(found: Found, facts: RunFacts | None) -> str:
    if facts is None:
        name = tag("th", text(found.key), scope="row")
        why = tag("td", text(f"not shown: {found.refused}"), colspan=str(len(HEAD) - 1))
        return f'<tr data-run="{text(found.key)}">{name}{why}</tr>'
    name = tag("a", text(found.key), href=run_address(found.key))
    label = text(f"compare {found.key}")
    choice = f'<input type="checkbox" name="run" value="{text(found.key)}" aria-label="{label}">'
    cells = [
        choice,
        _last(facts),
        _findings(facts),
        facts.end or ("goes on" if writer_of(facts.folder) else "interrupted"),
        text(_steps(facts)),
        _best(facts),
        text(f"{age_text(facts.folder)} ago"),
        text(facts.recipe.get("system", "")),
    ]
    going = "" if facts.end else " data-going"
    row = tag("th", name, scope="row") + "".join(tag("td", cell) for cell in cells)
    return f'<tr data-run="{text(found.key)}"{going}>{row}</tr>'


def _steps(facts: RunFacts) -> str:
    planned = f" of {facts.planned_steps:,}" if facts.planned_steps else ""
    return f"{facts.last_step or 0:,}{planned}"


def _last(facts: RunFacts) -> str:
    scores = facts.validation.get(facts.select or "")
    if not scores:
        return ""
    title, unit = name_of(facts.select or "")
    score = scores[-1]
    ends = f" ({figure(score.low)} to {figure(score.high)})" if has_interval(score) else ""
    return tag("span", text(quantity(score.mean, unit) + ends)) + tag("small", text(title))


def _best(facts: RunFacts) -> str:
    best = best_score(facts)
    if best is None:
        return ""
    said = quantity(best.mean, name_of(facts.select or "")[1])
    return tag("span", text(said)) + tag("small", text(f"at step {best.step:,}"))


def _findings(facts: RunFacts) -> str:
    found = [finding.severity.value for finding in facts.findings]
    parts = [
        tag("span", text(count(found.count(key), SEVERITIES[key])), class_=f"word {kind}")
        for key, kind in (("FAIL", "bad"), ("WARN", "doubtful"), ("INFO", "silent"))
        if key in found
    ]
    return "<br>".join(parts) or "none"
