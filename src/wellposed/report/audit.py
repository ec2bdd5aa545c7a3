"""What was asked before the run began: its answers for each question, and its plan."""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

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


def answers_to(audit: Mapping[str, Any], question: str) -> list[Mapping[str, Any]]:
    """The answers to one question, the gravest first."""
    answers = [each for each in audit.get("answers", ()) if each.get("question") == question]
    return sorted(
        answers, key=lambda each: ORDER.index(each["word"]) if each["word"] in ORDER else 0
    )


def answers_section(audit: Mapping[str, Any], question: str) -> str:
    """What was measured before the run: what is not good at once, the rest on demand."""
    answers = answers_to(audit, question)
    if not answers:
        return ""
    grave = [each for each in answers if each.get("word") in ("FAIL", "WARN")]
    rest = [each for each in answers if each not in grave]
    parts = [tag("ul", "".join(_answers(grave)), class_="answers")] if grave else []
    if rest:
        words = Counter(each.get("word") for each in rest)
        title = f"{count(words['ok'], 'good answer')} before the run"
        title += f", {count(words['INFO'], 'note')}" if words["INFO"] else ""
        title += f", {count(words['--'], 'question')} not asked" if words["--"] else ""
        content = tag("ul", "".join(_answers(rest)), class_="answers")
        lead = tag("p", text(LEAD), class_="quiet")
        parts.append(tag("details", tag("summary", text(title)) + lead + content))
    return "".join(parts)


def _answers(answers: list[Mapping[str, Any]]) -> Iterator[str]:
    for each in answers:
        word, code = str(each.get("word")), str(each.get("code", ""))
        said = tag("span", text(WORDS.get(word, word)), class_=f"word {_class(word)}")
        named = f"{code} {rule_name(code)}: " if code in rule_codes() else ""
        yield tag("li", said + tag("span", text(f"{named}{each.get('text', '')}")))


def _class(word: str) -> str:
    return {"ok": "good", "FAIL": "bad", "WARN": "doubtful"}.get(word, "silent")


def plan_part(facts: RunFacts) -> str:
    """What the run was expected to take, beside what it has taken; "" where nobody asked."""
    plan = facts.audit.get("numbers", {}).get("plan")
    if not isinstance(plan, Mapping):
        return ""
    rows = [_row(title, plan[key], unit) for key, title, unit in UNITS if key in plan]
    caption = "What the run was expected to take"
    made = table(caption, ("", "expected", "from", "to"), rows)
    taken = f"Training and validation have taken {duration(facts.time_s)} so far."
    assumed = [text(f"assumed: {each}") for each in plan.get("assumes", ())]
    return (
        tag("h3", "Plan", class_="subhead")
        + made
        + tag("p", text(taken))
        + bullets(assumed, class_="quiet details")
    )


def _row(title: str, ends: Mapping[str, Any], unit: str) -> list[str]:
    values = [number(ends.get(key)) for key in ("value", "low", "high")]
    if not unit:
        return [title, *(duration(value) for value in values)]
    scale = {"GB": 1e9, "MB": 1e6}[unit]
    return [title, *(f"{figure(value / scale)} {unit}" for value in values)]
