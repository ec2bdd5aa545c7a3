"""What the guard has to say: a `Finding` with its evidence, for people and as one line of JSON.

A finding never says "cause": it names suspects, each with the experiment that would acquit or
convict it. Numbers that are not finite survive the trip through JSON as the strings "nan",
"inf" and "-inf".
"""

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from .rules import rule_name

Evidence = Mapping[str, float | int | str]

_SPOKEN = {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}


class Severity(StrEnum):
    """How much a finding matters."""

    INFO = "INFO"
    WARN = "WARN"
    FAIL = "FAIL"


@dataclass(frozen=True)
class Suspect:
    """Something that may be the cause, and the experiment that would prove or clear it."""

    name: str
    intervention: str


@dataclass(frozen=True)
class Finding:
    """A symptom at one step, what was measured, who is suspected and what to try."""

    code: str
    title: str
    severity: Severity
    step: int
    since_step: int
    evidence: Evidence
    suspects: tuple[Suspect, ...] = ()
    advice: str = ""

    @property
    def page(self) -> str:
        """Name of the documentation page; `rule(finding.code)` returns its text."""
        return f"{self.code}.md"

    def to_json(self) -> str:
        """One line of strict JSON."""
        record = asdict(self)
        record["evidence"] = {key: spoken(value) for key, value in self.evidence.items()}
        return json.dumps({**record, "page": self.page}, allow_nan=False)

    @classmethod
    def from_json(cls, text: str) -> "Finding":
        """The finding that `to_json` wrote. Raises ValueError when the text is none."""
        try:
            record = json.loads(text)
            return cls(
                code=record["code"],
                title=record["title"],
                severity=Severity(record["severity"]),
                step=record["step"],
                since_step=record["since_step"],
                evidence=heard(record["evidence"]),
                suspects=tuple(Suspect(**each) for each in record["suspects"]),
                advice=record["advice"],
            )
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"not a finding: {text[:80]!r} lacks {error}") from error

    def text(self) -> str:
        """Several lines for a person: what, evidence, suspects, what to try."""
        since = f" since step {self.since_step}" if self.since_step != self.step else ""
        name = f"{self.code} {rule_name(self.code)}"
        lines = [f"{name} at step {self.step}{since} ({self.severity}): {self.title}"]
        lines += [f"    {key.replace('_', ' ')}: {_shown(v)}" for key, v in self.evidence.items()]
        lines += [f"    suspect {each.name}: {each.intervention}" for each in self.suspects]
        lines += [f"    try: {self.advice}"] if self.advice else []
        return "\n".join([*lines, f"    more: wellposed rule {self.code}"])


def spoken(value: float | int | str) -> float | int | str:
    """`value`, with numbers that strict JSON cannot hold spelled as strings."""
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value


def heard(value: Any) -> Any:
    """Undo `spoken`, anywhere in a tree of dicts and lists."""
    if isinstance(value, str):
        return _SPOKEN.get(value, value)
    if isinstance(value, Mapping):
        return {key: heard(each) for key, each in value.items()}
    return [heard(each) for each in value] if isinstance(value, list) else value


def _shown(value: float | int | str) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
