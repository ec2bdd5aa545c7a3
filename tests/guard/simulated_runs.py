"""Healthy runs as series of validations: drawn, not trained, so that many can be judged."""

import math
import random
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from wellposed.guard.checks import all_checks
from wellposed.guard.evidence import Evidence, Validation
from wellposed.guard.findings import Finding, Severity
from wellposed.guard.paired import Values
from wellposed.guard.plan import Plan

CHECKS = {check.codes[0]: check for check in all_checks() if check.reads == "validation"}
LAST_DB = 0.3
"""What the worst of these runs gains over its input in the end, in the mean."""


def judge(evidence: Evidence, *codes: str) -> list[Finding]:
    """What the checks of these codes say to the last validation."""
    found: list[Finding] = []
    for code in codes:
        each = CHECKS[code].look(evidence)
        found += [each] if isinstance(each, Finding) else each or []
    return found


def told(validations: Iterable[Validation], plan: Plan, *codes: str) -> list[Finding]:
    """All findings of a run, as the guard tells them: of one subject again where it is graver."""
    evidence, ranks = Evidence(plan), list(Severity)
    found: list[Finding] = []
    gravest: dict[tuple[str, Any], Severity] = {}
    for validation in validations:
        evidence.judge(validation)
        for each in judge(evidence, *codes):
            key = each.code, each.evidence.get("subject", "")
            if key not in gravest or ranks.index(each.severity) > ranks.index(gravest[key]):
                gravest[key] = each.severity
                found.append(each)
    return found


def healthy(
    seed: int, count: int = 12, items: int = 32, walk: str = "walk", spread_db: float = 2.5
) -> Iterator[Validation]:
    """Validate at steps 100, 200, ...: two metrics, a level, a loss.

    SI-SDR rises from far below the input to `LAST_DB` and more above it, some runs after a late
    start; all means wander by a random walk, an autoregression, or independent draws.
    """
    draws = random.Random(seed)
    hard = [draws.gauss(0, 1) for _ in range(items)]
    skew = [draws.expovariate(1) - 1 for _ in range(items)]
    start, end = draws.uniform(-15, 0), draws.uniform(LAST_DB + 1, 8)
    pace, late = draws.uniform(0.05, 0.6), draws.choice([0, 0, 0.1, 0.2, 0.3])
    rise = 1 - math.exp(-(1 - late) / pace)
    memory = {"walk": 1.0, "regression": 0.8, "draws": 0.0}[walk]
    wander = [0.0, 0.0, 0.0]
    rival = {"sisdr": [3 + 6 * h for h in hard], "estoi": [0.6 + 0.15 * h for h in hard]}
    silence = {"sisdr": [None] * items}
    for number in range(1, count + 1):
        part = max(number / count - late, 0)
        grown = (1 - math.exp(-part / pace)) / rise
        wander = [memory * each + draws.gauss(0, 1) for each in wander]
        gain = start + (end - start) * grown + 0.1 * wander[0]
        better = 0.01 * gain + 0.003 * wander[1]
        level = -8 * (1 - grown) - 0.5 + 0.15 * wander[2]
        yield Validation(
            100 * number,
            {
                "sisdr": [r + gain + 0.8 * s + draws.gauss(0, 0.3)
                          for r, s in zip(rival["sisdr"], skew, strict=True)],
                "estoi": [r + better + 0.02 * s + draws.gauss(0, 0.01)
                          for r, s in zip(rival["estoi"], skew, strict=True)],
            },
            {"sisdr": "higher", "estoi": "higher"},
            "sisdr",
            {"input": rival, "silence": silence},
            items="one list",
            levels_db=[level - abs(spread_db * s) + draws.gauss(0, 0.1) for s in skew],
            weights=str(number),
            losses={"l1": 1 - 0.9 * grown + draws.gauss(0, 0.02)},
        )  # fmt: skip


def plan(count: int = 12) -> Plan:
    """Plan of a run that `healthy` draws."""
    return Plan(steps=100 * count, validate_every=100)


def scored(step: int, values: Values, rivals: Mapping[str, Values], **changes: Any) -> Validation:
    """A validation by one metric, "m", higher is better."""
    trivial = {name: {"m": each} for name, each in rivals.items()}
    made = Validation(
        step, {"m": values}, {"m": "higher"}, "m", trivial, items="list", weights=str(step)
    )
    return replace(made, **changes)
