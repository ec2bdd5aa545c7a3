"""What an audit says: answers to the questions, findings behind them, and the numbers.

An answer is green by evidence: it says what was measured. A question that could not be asked says
why, and is neither green nor other.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..evidence import spoken_tree
from ..findings import Evidence, Finding, Severity, Suspect

QUESTIONS = {
    "existence": "Does a way lead to the answer?",
    "uniqueness": "Is only the wanted answer best?",
    "stability": "Do small changes stay small?",
    "evidence": "Can the measurements be trusted?",
}
"""Hadamard's three questions about a problem, and one about what the answers rest on."""

UNASKED = "--"
"""Word of a question that was not asked."""

ROLES = ("total", "term")
"""A total is the whole objective; a term may leave questions to other terms."""

Numbers = dict[str, Any]


@dataclass(frozen=True)
class Answer:
    """One line: which question, what was measured, and the finding if it is no good answer."""

    question: str
    text: str
    finding: Finding | None = None
    asked: bool = True
    """Whether it was asked; what was not is neither good nor bad, and `text` says why."""

    @property
    def word(self) -> str:
        """ "ok", the severity of the finding, or "--" where nothing was asked."""
        if not self.asked:
            return UNASKED
        return "ok" if self.finding is None else str(self.finding.severity)


@dataclass(frozen=True)
class Part:
    """What one test of the audit gives."""

    answers: Sequence[Answer] = ()
    numbers: Numbers = field(default_factory=dict)


@dataclass(frozen=True)
class Audit:
    """All answers, and the table of numbers that they rest on."""

    subject: str
    setting: str
    answers: tuple[Answer, ...]
    numbers: Numbers
    seconds: float
    """Processor time, of all threads."""

    @property
    def findings(self) -> tuple[Finding, ...]:
        """Findings in the order of the answers."""
        return tuple(each.finding for each in self.answers if each.finding is not None)

    @property
    def worst(self) -> Severity | None:
        """The gravest severity, or None when every answer is good."""
        found = {finding.severity for finding in self.findings}
        ranked = (Severity.FAIL, Severity.WARN, Severity.INFO)
        return next((each for each in ranked if each in found), None)

    def codes(self, severity: Severity | None = None) -> set[str]:
        """Codes of the findings, of one severity if given."""
        return {f.code for f in self.findings if severity in (None, f.severity)}

    def text(self) -> str:
        """One screen: the questions, one line per answer, the gravest first."""
        lines = [self.subject, *(f"  {line}" for line in self.setting.splitlines())]
        for question, words in QUESTIONS.items():
            asked = [each for each in self.answers if each.question == question]
            if asked:
                lines += ["", f"{question.upper()}  {words}"]
                lines += [_line(each) for each in sorted(asked, key=_gravity)]
        fails, warns = (
            sum(f.severity == severity for f in self.findings)
            for severity in (Severity.FAIL, Severity.WARN)
        )
        said = [each.word for each in self.answers]
        lines += ["", f"{fails} FAIL, {warns} WARN, {said.count('ok')} ok"]
        if unasked := said.count(UNASKED):
            lines[-1] += f", {unasked} not asked"
        if codes := sorted(self.codes(Severity.FAIL) or self.codes(Severity.WARN)):
            lines[-1] += f"; what they mean and what to try: wellposed rule {codes[0]}"
        return "\n".join(lines)

    def table(self) -> str:
        """The numbers, one a line."""
        return "\n".join(_rows(self.numbers))

    def to_json(self) -> str:
        """One strict JSON object: subject, setting, answers, findings, numbers."""
        record = {
            "subject": self.subject,
            "setting": self.setting,
            "seconds": round(self.seconds, 3),
            "answers": [
                {
                    "question": each.question,
                    "word": each.word,
                    "code": each.finding.code if each.finding is not None else "",
                    "text": each.text,
                }
                for each in self.answers
            ],
            "findings": [json.loads(finding.to_json()) for finding in self.findings],
            "numbers": spoken_tree(self.numbers),
        }
        return json.dumps(record, allow_nan=False)


def bad(
    question: str,
    code: str,
    severity: Severity,
    title: str,
    evidence: Evidence,
    *,
    suspects: Iterable[tuple[str, str]] = (),
    advice: str = "",
) -> Answer:
    """An answer with a finding; `title` is its line."""
    named = tuple(Suspect(name, intervention) for name, intervention in suspects)
    finding = Finding(code, title, severity, 0, 0, dict(evidence), named, advice)
    return Answer(question, title, finding)


def joined(parts: Iterable[Part]) -> tuple[tuple[Answer, ...], Numbers]:
    """Answers of all parts in order, and their numbers in one table."""
    answers: list[Answer] = []
    numbers: Numbers = {}
    for part in parts:
        answers += part.answers
        numbers |= part.numbers
    return tuple(answers), numbers


def db_text(value: float) -> str:
    """A worth in dB as people read it; beyond the ladder it is only known to be so."""
    if value == float("inf"):
        return "over 60 dB"
    return "below -40 dB" if value == float("-inf") else f"{value:.1f} dB"


def _line(answer: Answer) -> str:
    code = f"{answer.finding.code}  " if answer.finding is not None else ""
    return f"  {answer.word:<4}  {code}{answer.text}"


def _gravity(answer: Answer) -> int:
    return ("FAIL", "WARN", "INFO", "ok", UNASKED).index(answer.word)


def times(factor: float) -> str:
    """A factor as people read it."""
    return f"{factor:.2g} times" if factor < 1000 else f"{factor:.0e} times".replace("e+0", "e")


def merged(subject: str, audits: Sequence[Audit]) -> Audit:
    """Several audits of one subject as one; numbers of the same name keep the first."""
    numbers: Numbers = {}
    for each in reversed(audits):
        numbers |= each.numbers
    return Audit(
        subject,
        "\n".join(each.setting for each in audits),
        tuple(answer for each in audits for answer in each.answers),
        numbers,
        sum(each.seconds for each in audits),
    )


def _rows(numbers: Mapping[str, Any]) -> list[str]:
    """Plain numbers of a table, one a line; tables within are for machines."""
    plain = {k.replace("_", " "): v for k, v in numbers.items() if isinstance(v, int | float)}
    width = max((len(key) for key in plain), default=0)
    return [f"  {key:<{width}}  {value:.4g}" for key, value in plain.items()]
