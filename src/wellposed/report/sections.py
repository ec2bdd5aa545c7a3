"""The sections of the page except curves and sounds, each from facts to HTML."""

import shlex
from collections.abc import Iterator, Mapping

from wellposed.guard.findings import Finding
from wellposed.guard.rules import rule_codes, rule_name
from wellposed.report.charts import baseline, name_of
from wellposed.report.facts import RunFacts
from wellposed.report.markup import bullets, pairs, tag, text
from wellposed.report.verdict import best_score, details, has_interval, verdict
from wellposed.report.wording import count, duration, figure, plain, quantity, signed

QUESTIONS = {
    "WP1": ("Existence", "Can what is wanted be reached by this network and optimizer?"),
    "WP2": ("Uniqueness", "Is the optimum of the objective the thing that is wanted?"),
    "WP3": ("Stability", "Does a small change have a small effect?"),
    "WP4": ("Evidence", "Can the data and the measurements be trusted?"),
}
SEVERITIES = {"FAIL": "failure", "WARN": "warning", "INFO": "note"}


def verdict_section(facts: RunFacts) -> str:
    """The verdict in sentences, then its numbers at a glance."""
    parts = [tag("p", text(verdict(facts)), class_="verdict")]
    parts.append(tag("dl", "".join(_tiles(facts)), class_="tiles"))
    if more := details(facts):
        parts.append(bullets([text(sentence) for sentence in more], class_="quiet details"))
    return "".join(parts)


def findings_section(facts: RunFacts) -> str:
    """The three questions and the evidence, then every finding."""
    lead = "Three questions ask whether the training problem is well posed, a fourth whether that "
    lead += "can be known. No finding means that no check fired, not that the answer is yes."
    questions = [_question(facts, family) for family in QUESTIONS]
    found = [_finding(i, finding) for i, finding in enumerate(facts.findings, 1)]
    return (
        tag("p", text(lead), class_="lead quiet")
        + tag("ul", "".join(questions), class_="questions")
        + "".join(found)
    )


def recipe_section(facts: RunFacts) -> str:
    """The command, the recipe, the environment, and what the folder lacks."""
    command = f"wellposed train {shlex.quote(str(facts.folder / 'recipe.yaml'))}"
    parts = [
        tag("p", "The folder holds every setting of the run. This trains it again:", class_="lead"),
        tag("pre", tag("code", text(command)), class_="command"),
        tag("details", tag("summary", "Recipe") + tag("pre", tag("code", text(facts.recipe_text)))),
    ]
    if facts.environment:
        rows = pairs(list(_flat(facts.environment)))
        content = tag("summary", "Environment") + tag("div", rows)
        parts.append(tag("details", content, class_="environment"))
    if facts.missing:
        parts.append(tag("h3", "Not in this run folder", class_="subhead"))
        parts.append(bullets([text(item) for item in facts.missing], class_="quiet"))
    return "".join(parts)


def _tiles(facts: RunFacts) -> Iterator[str]:
    planned = f"of {facts.planned_steps:,} planned" if facts.planned_steps else "recorded"
    yield _tile("Steps", f"{facts.last_step or 0:,}", planned)
    yield _tile("Time in training", duration(facts.time_s), "")
    best = best_score(facts)
    if facts.best_step is not None:
        by = f"by {name_of(facts.select)[0]}" if facts.select else ""
        yield _tile("Best step", f"{facts.best_step:,}", by)
    if best is not None and facts.select is not None:
        title, unit = name_of(facts.select)
        ends = f"{figure(best.low)} to {figure(best.high)}" if has_interval(best) else ""
        yield _tile(title, quantity(best.mean, unit), ends)
        noisy = baseline(facts, facts.select)
        if noisy is not None:
            gap = signed(best.mean - noisy.mean, unit)
            yield _tile("Against noisy input", gap, f"which has {quantity(noisy.mean, unit)}")
    grave = any(finding.severity == "FAIL" for finding in facts.findings)
    note = "see below" if facts.findings else "none on record"
    yield _tile(
        "Findings", str(len(facts.findings)), note, class_="tile alarm" if grave else "tile"
    )


def _tile(name: str, value: str, note: str, class_: str = "tile") -> str:
    small = tag("small", text(note)) if note else ""
    return tag("div", tag("dt", text(name)) + tag("dd", text(value) + small), class_=class_)


def _question(facts: RunFacts, family: str) -> str:
    name, question = QUESTIONS[family]
    links = [
        tag("a", text(f"{i}: {finding.code}"), href=f"#finding-{i}")
        for i, finding in enumerate(facts.findings, 1)
        if finding.code.startswith(family)
    ]
    answer = (
        f"{count(len(links), 'finding')}: {', '.join(links)}" if links else "No finding on record"
    )
    content = tag("h3", text(name)) + tag("p", text(question)) + tag("p", answer, class_="answer")
    return tag("li", content, class_="alarm" if links else "")


def _finding(i: int, finding: Finding) -> str:
    name = (
        f"{finding.code} {rule_name(finding.code)}"
        if finding.code in rule_codes()
        else finding.code
    )
    since = "" if finding.since_step == finding.step else f", since step {finding.since_step:,}"
    place = f"{name}, {SEVERITIES[finding.severity]}, at step {finding.step:,}{since}"
    parts = [
        tag("h3", tag("span", str(i), class_="badge") + tag("span", text(finding.title))),
        tag("p", text(place), class_="quiet"),
    ]
    if finding.evidence:
        parts.append(
            pairs([(plain(key), _shown(value)) for key, value in finding.evidence.items()])
        )
    if finding.suspects:
        items = [
            f"{tag('b', text(suspect.name))}, to be tested: {text(suspect.intervention)}"
            for suspect in finding.suspects
        ]
        parts.append(tag("p", "Suspects, none of them proven:") + bullets(items))
    if finding.advice:
        parts.append(tag("p", f"{tag('b', 'Try:')} {text(finding.advice)}"))
    more = tag("code", text(f"wellposed rule {finding.code}"))
    parts.append(tag("p", f"What it means and how it is measured: {more}", class_="quiet"))
    return tag("article", "".join(parts), class_="finding", id=f"finding-{i}")


def _shown(value: object) -> str:
    return figure(value) if isinstance(value, float) else str(value)


def _flat(entries: Mapping[str, object], before: str = "") -> Iterator[tuple[str, object]]:
    for key, value in entries.items():
        if isinstance(value, Mapping):
            yield from _flat({str(k): v for k, v in value.items()}, f"{before}{key}.")
        else:
            yield f"{before}{key}", value
