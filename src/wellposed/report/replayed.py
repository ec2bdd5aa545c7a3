"""What was tried in replay, and what it showed: suspects convicted, acquitted, or undecided."""

import shlex
from collections.abc import Iterator, Mapping
from typing import Any

from wellposed.guard.findings import Finding
from wellposed.report.facts import RunFacts, number
from wellposed.report.markup import bullets, prose, tag, text
from wellposed.report.wording import count, duration, figure

UNREPLAYED = "Nothing was replayed: the suspects of the findings above are suspects still."
LEAD = (
    "The run was taken back to a state before the symptom and went on with one thing changed, in "
    "pairs: a control with nothing changed, and the change. A suspect is convicted when its change "
    "removes the symptom more often than chance does, acquitted when the symptom stays."
)
WORDS = {"convicted": "bad", "acquitted": "good", "undecided": "doubtful", "untested": "silent"}
HEAD = ("Verdict", "What was changed", "Removed it", "Share, 95 %", "In this very run", "Notes")
SAID = {True: "it stays", False: "it is gone", None: "not replayed"}

Told = Mapping[str, Any]


def replay_section(facts: RunFacts) -> str:
    """What is in explain/; without it how to have it, where there is something to explain."""
    if facts.explanations:
        told = [_explanation(facts, i, each) for i, each in enumerate(facts.explanations, 1)]
        return tag("p", text(LEAD), class_="lead quiet") + "".join(told)
    if not facts.findings:
        return tag("p", "There is no finding, so there was nothing to replay.", class_="lead")
    command = f"wellposed explain {shlex.quote(str(facts.folder))}"
    return (
        tag("p", text(UNREPLAYED), class_="lead")
        + tag("p", "This replays the run with one thing changed at a time:")
        + tag("pre", tag("code", text(command)), class_="command")
    )


def replay_of(facts: RunFacts, finding: Finding) -> str:
    """The id of the explanation of a finding; "" where it was not replayed."""
    for i, told in enumerate(facts.explanations, 1):
        if told.get("finding") == f"{finding.code}@{finding.step}":
            return f"replay-{i}"
    return ""


def convicted(facts: RunFacts) -> list[str]:
    """What the convicted changes do, in words, over all explanations."""
    verdicts = [each for told in facts.explanations for each in _verdicts(told)]
    return [str(each.get("about")) for each in verdicts if each.get("word") == "convicted"]


def _explanation(facts: RunFacts, i: int, told: Told) -> str:
    parts = [tag("h3", _title(facts, told)), tag("p", prose(told.get("sentence", "")))]
    parts.append(tag("p", text(_control(told)), class_="quiet"))
    verdicts = _verdicts(told)
    begun = [each for each in verdicts if not _not_come_to(each)]
    if begun:
        parts.append(_table(begun))
    if left := [tag("code", text(each.get("name", ""))) for each in verdicts if each not in begun]:
        parts.append(tag("p", f"The budget did not come to {', '.join(left)}.", class_="quiet"))
    for each in verdicts[:1]:
        if each.get("word") == "convicted" and each.get("yaml"):
            parts.append(tag("p", "As a change of the recipe:"))
            parts.append(tag("pre", tag("code", text(each["yaml"])), class_="command"))
    untested = [prose(each) for each in told.get("untested", ())]
    if untested:
        parts.append(tag("p", "What no replay could tell:") + bullets(untested, class_="quiet"))
    return tag("article", "".join(parts), class_="replay", id=f"replay-{i}", tabindex="-1")


def _title(facts: RunFacts, told: Told) -> str:
    name = str(told.get("finding", ""))
    title = text(f"{name}: {told['title']}" if told.get("title") else name)
    for i, finding in enumerate(facts.findings, 1):
        if f"{finding.code}@{finding.step}" == name:
            return tag("a", title, href=f"#finding-{i}")
    return title


def _control(told: Told) -> str:
    parts = [f"Looked for: {told.get('symptom_text', 'the symptom')}"]
    parts.append(f"replayed from {told.get('source', 'the start')}")
    parts.append(f"nothing changed: {told.get('control', 'not told')}")
    if told.get("randomness") != "none":
        shown, controls = told.get("controls_shown", 0), told.get("controls", 0)
        parts.append(f"with other randomness {shown} of {controls} controls show it")
    seconds = duration(number(told.get("seconds")))
    parts.append(f"{count(int(told.get('replays', 0)), 'replay')} in {seconds}")
    return "; ".join(parts) + "."


def _table(verdicts: list[Told]) -> str:
    header = "".join(tag("th", text(cell), scope="col") for cell in HEAD)
    rows = "".join(tag("tr", "".join(_cells(each))) for each in verdicts)
    caption = "Every change that was tried"
    content = tag("caption", caption) + tag("thead", tag("tr", header)) + tag("tbody", rows)
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="{caption}">'
        f"{tag('table', content, class_='verdicts')}</div>"
    )


def _not_come_to(each: Told) -> bool:
    untouched = not each.get("pairs") and each.get("original") is None
    return untouched and each.get("word") == "undecided"


def _cells(each: Told) -> Iterator[str]:
    word = str(each.get("word"))
    yield tag("td", tag("span", text(word), class_=f"word {WORDS.get(word, 'silent')}"))
    name = tag("code", text(each.get("name", "")))
    yield tag("th", f"{text(each.get('about', ''))}<br>{name}", scope="row")
    if word == "untested":
        yield tag("td", text(each.get("why", "")), colspan="4", class_="words")
        return
    removed, kept = int(each.get("removed", 0)), int(each.get("kept", 0))
    yield tag("td", f"{removed} of {removed + kept}")
    share, low, high = (number(each.get(key)) for key in ("share", "low", "high"))
    known = each.get("share") is not None
    ends = f" ({low:.2f} to {high:.2f})" if known else ""
    bar = _bar(share, low, high) if known else ""
    nothing = "no symptom to remove" if each.get("pairs", 1) else "no pair yet"
    yield tag("td", text(f"{share:.2f}{ends}" if known else nothing) + bar)
    yield tag("td", text(SAID.get(each.get("original"), "")))
    yield tag("td", text("; ".join(_notes(each))), class_="words")


def _bar(share: float, low: float, high: float) -> str:
    """The share and its interval between 0 and 1; the numbers stand beside it."""
    return (
        '<svg viewBox="0 0 104 12" class="share" aria-hidden="true">'
        '<path d="M2 6H102" stroke="var(--grid)" stroke-width="2"/>'
        f'<path d="M{2 + 100 * low:.1f} 6H{2 + 100 * high:.1f}" stroke="var(--series-1)" '
        'stroke-width="3"/>'
        f'<circle cx="{2 + 100 * share:.1f}" cy="6" r="4.5" fill="var(--series-1)"/></svg>'
    )


def _notes(each: Told) -> Iterator[str]:
    if each.get("blunt"):
        yield "blunt: it holds up what is well, too"
    if each.get("brings"):
        yield f"brings {', '.join(map(str, each['brings']))}"
    if each.get("figure_difference") is not None:
        yield f"its figure differs by {figure(number(each['figure_difference']))}"


def _verdicts(told: Told) -> list[Told]:
    return [each for each in told.get("verdicts", ()) if isinstance(each, Mapping)]
