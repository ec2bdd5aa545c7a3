"""The three questions and the evidence: what was found, and what was measured, under each."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from wellposed.guard.findings import Finding
from wellposed.report.audit import answers_section, answers_to
from wellposed.report.facts import RunFacts
from wellposed.report.finding import finding_article
from wellposed.report.markup import tag, text
from wellposed.report.wording import count

SEVERITIES = {"FAIL": "failure", "WARN": "warning", "INFO": "note"}


@dataclass(frozen=True)
class Question:
    """One family of codes, and the words it goes by."""

    family: str
    key: str
    """As an audit names it."""
    name: str
    asks: str


QUESTIONS = (
    Question(
        "WP1",
        "existence",
        "Existence",
        "Can what is wanted be reached by this network and optimizer?",
    ),
    Question(
        "WP2", "uniqueness", "Uniqueness", "Is the optimum of the objective the thing wanted?"
    ),
    Question("WP3", "stability", "Stability", "Does a small change have a small effect?"),
    Question("WP4", "evidence", "Evidence", "Can the data and the measurements be trusted?"),
)
LEAD = (
    "Three questions ask whether the training problem is well posed, a fourth whether that can be "
    "known. No finding means that no check fired, not that the answer is yes."
)


def questions_section(facts: RunFacts) -> str:
    """An overview of the four, then each with its findings and measurements."""
    overview = "".join(_card(facts, question) for question in QUESTIONS)
    return (
        tag("p", text(LEAD), class_="lead quiet")
        + tag("ul", overview, class_="questions")
        + "".join(_block(facts, question) for question in QUESTIONS)
        + "".join(_strays(facts))
    )


def found_by(facts: RunFacts, question: Question) -> list[tuple[int, Finding]]:
    """The findings of a question with their numbers on the page."""
    return [
        (i, finding)
        for i, finding in enumerate(facts.findings, 1)
        if finding.code.startswith(question.family)
    ]


def _card(facts: RunFacts, question: Question) -> str:
    found, answers = found_by(facts, question), answers_to(facts.audit, question.key)
    name = tag("a", text(question.name), href=f"#{question.key}", class_="name")
    links = ", ".join(
        tag("a", text(f"{i}: {finding.code}"), href=f"#finding-{i}") for i, finding in found
    )
    said = f"{_severities(found)}: {links}" if found else text(_severities(found))
    content = (
        name
        + tag("p", text(question.asks))
        + tag("p", said, class_="answer")
        + tag("p", text(_asked(facts, answers)), class_="answer")
    )
    return tag("li", content, class_=_alarm(found, answers))


def _block(facts: RunFacts, question: Question) -> str:
    found = found_by(facts, question)
    parts = [tag("h3", text(question.name), id=question.key)]
    if not found:
        parts.append(tag("p", text(f"{_severities(found)}."), class_="quiet"))
    parts += [finding_article(facts, i, finding) for i, finding in found]
    parts.append(answers_section(facts.audit, question.key))
    return tag("div", "".join(parts), class_="question")


def _strays(facts: RunFacts) -> Iterator[str]:
    """Findings whose codes belong to no question, as of checks of other people."""
    families = tuple(question.family for question in QUESTIONS)
    for i, finding in enumerate(facts.findings, 1):
        if not finding.code.startswith(families):
            yield finding_article(facts, i, finding)


def _severities(found: list[tuple[int, Finding]]) -> str:
    if not found:
        return "No finding while it trained"
    worst = [finding.severity.value for _, finding in found]
    parts = [count(worst.count(key), word) for key, word in SEVERITIES.items() if worst.count(key)]
    return ", ".join(parts)


def _asked(facts: RunFacts, answers: list[Mapping[str, Any]]) -> str:
    if not facts.audit:
        return "Not asked before the run"
    words = [str(each.get("word")) for each in answers]
    good = words.count("ok")
    grave = [count(words.count(key), SEVERITIES[key]) for key in ("FAIL", "WARN") if key in words]
    asked = len(words) - words.count("--")
    said = f"Before the run {good} of {count(asked, 'answer')} good"
    return f"{said}, {', '.join(grave)}" if grave else said


def _alarm(found: list[tuple[int, Finding]], answers: list[Mapping[str, Any]]) -> str:
    worst = {finding.severity.value for _, finding in found}
    worst |= {str(each.get("word")) for each in answers}
    return next((name for key, name in (("FAIL", "alarm"), ("WARN", "doubt")) if key in worst), "")
