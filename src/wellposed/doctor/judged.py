"""What a check answers: findings, or what it would have needed to judge at all."""

from collections.abc import Callable
from dataclasses import dataclass

from wellposed.doctor.run import Run
from wellposed.guard.findings import Finding


@dataclass(frozen=True)
class Judged:
    """The findings of one check; `missing` says what it lacked, "" when it could judge."""

    findings: tuple[Finding, ...] = ()
    missing: str = ""


@dataclass(frozen=True)
class Check:
    """One question that can be asked of a log after the fact."""

    question: str
    codes: tuple[str, ...]
    judge: Callable[[Run], Judged]
