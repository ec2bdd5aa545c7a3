"""The section of the page on what was asked before the run began."""

from collections.abc import Iterator, Mapping
from typing import Any

from wellposed.guard.audit.verdict import QUESTIONS
from wellposed.guard.rules import rule_codes, rule_name
from wellposed.report.facts import RunFacts, number
from wellposed.report.markup import bullets, table, tag, text
from wellposed.report.wording import count, duration, figure

WORDS = {"ok": "good", "FAIL": "failure", "WARN": "warning", "INFO": "note", "--": "not asked"}
ORDER = ("FAIL", "WARN", "INFO", "ok", "--")
LEAD = (
    "Asked on networks as training got them, before the first step. A good answer says what was "
    "measured; what was not asked is not good."
)
UNITS = (("time_s", "Time", ""), ("memory_bytes", "Memory", "GB"), ("disk_bytes", "Disk", "MB"))


def audit_section(facts: RunFacts) -> str:
    """The whole section, or nothing where no audit is in the folder."""
    audit = facts.audit
    if not audit:
        return ""
    parts = [
        tag("h2", "Audit before the run", id="audit-title"),
        tag("p", text(LEAD), class_="lead quiet"),
        tag("p", text(_summary(audit))),
        *(_question(audit, name) for name in QUESTIONS),
        _plan(facts),
    ]
    return tag("section", "".join(parts), id="audit", aria_labelledby="audit-title")


def _summary(audit: Mapping[str, Any]) -> str:
    words = [str(each.get("word")) for each in audit.get("answers", ())]
    said = [count(words.count(word), WORDS[word]) for word in ("FAIL", "WARN")]
    good = words.count("ok")
    unasked = words.count("--")
    return (
        f"{', '.join(said).capitalize()}, {count(good, 'good answer')}, "
        f"{count(unasked, 'question')} not asked."
    )


def _question(audit: Mapping[str, Any], name: str) -> str:
    answers = [each for each in audit.get("answers", ()) if each.get("question") == name]
    if not answers:
        return ""
    answers.sort(key=lambda each: ORDER.index(each["word"]) if each["word"] in ORDER else 0)
    heading = tag("h3", text(f"{name.capitalize()}: {QUESTIONS[name].lower()}"))
    return heading + tag("ul", "".join(_answers(answers)), class_="answers")


def _answers(answers: list[Mapping[str, Any]]) -> Iterator[str]:
    for each in answers:
        word, code = str(each.get("word")), str(each.get("code", ""))
        said = tag("span", text(WORDS.get(word, word)), class_=f"word {_class(word)}")
        named = f"{code} {rule_name(code)}: " if code in rule_codes() else ""
        yield tag("li", said + tag("span", text(f"{named}{each.get('text', '')}")))


def _class(word: str) -> str:
    return {"ok": "good", "FAIL": "bad", "WARN": "doubtful"}.get(word, "silent")


def _plan(facts: RunFacts) -> str:
    """What the run was expected to take, beside what it has taken."""
    plan = facts.audit.get("numbers", {}).get("plan")
    if not isinstance(plan, Mapping):
        return ""
    rows = [_row(title, plan[key], unit) for key, title, unit in UNITS if key in plan]
    caption = "What the run was expected to take"
    made = table(caption, ("", "expected", "from", "to"), rows)
    taken = f"Training and validation have taken {duration(facts.time_s)} so far."
    assumed = [text(f"assumed: {each}") for each in plan.get("assumes", ())]
    return (
        tag("h3", "Plan") + made + tag("p", text(taken)) + bullets(assumed, class_="quiet details")
    )


def _row(title: str, ends: Mapping[str, Any], unit: str) -> list[str]:
    values = [number(ends.get(key)) for key in ("value", "low", "high")]
    if not unit:
        return [title, *(duration(value) for value in values)]
    scale = {"GB": 1e9, "MB": 1e6}[unit]
    return [title, *(f"{figure(value / scale)} {unit}" for value in values)]
