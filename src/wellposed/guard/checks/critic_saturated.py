"""WP109: a critic is never wrong, and what it teaches the generator is zero.

Signal: the area under the ROC curve (AUC) of its scores, pooled over the last looks with DeLong's
variance (S), and the gradient of the term that it speaks through, at the generator's output.

Thresholds. AUC: its lower bound is above 1 - 1/n, so that on average less than one pair of a batch
of n is confused. n is the number of examples a look (B), and at least so many that n against n
scores without a confusion are no chance, 1 / C(2n, n) <= level. DeLong's variance is 0 where
nothing is confused, so the bound is also no better than level^(1/N): N unconfused pairs are that
likely if one in N / ln(1/level) is confused. Gradient: at the last two looks so small that all
planned steps together would pull less than one step did when the whole gradient was largest (P);
0 is the extreme. Only both together are a warning: a critic that is always right still teaches
through a loss that does not saturate. Where nobody measured the gradient, or said which term is
the critic's, it is no more than a remark.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from statistics import variance

from ..chance import normal_quantile
from ..evidence import Evidence
from ..findings import Finding, Severity, Suspect
from ..instruments.critics import TERM
from ..windows import Quantities, backwards, looks_of, newest

CODES = ("WP109",)
READS = "critics"


@dataclass(frozen=True)
class Separation:
    """The AUC over the last looks, taken at 0.5 or above: which side is higher is a convention."""

    auc: float
    low: float
    limit: float
    pairs: float
    looks: int
    since: int


def check(evidence: Evidence) -> Finding | None:
    """Judge the pooled AUC, then whether the term still pulls."""
    name, table = newest(evidence, "critics")
    separation = separated(evidence, name, table)
    if separation is None:
        return None
    terms = [key.removeprefix(TERM) for key in table if key.startswith(TERM)]
    forces = evidence.of("forces")
    if not forces or not all(term in forces[-1].table for term in terms):
        told = "whether it still teaches was not measured"
        return _finding(evidence, name, separation, Severity.INFO, told, {})
    gone = faded(evidence, terms, separation.since)
    if not gone:
        return None
    pulls = {f"gradient_of_{term}": norm for term, norm in gone.items()}
    told = f"{', '.join(gone)} no longer pulls at the output"
    known = any(term in gone for term in terms)
    told += "" if known else ", and nobody said which term is the critic's"
    severity = Severity.WARN if known else Severity.INFO
    return _finding(evidence, name, separation, severity, told, pulls)


def separated(evidence: Evidence, name: str, table: Quantities) -> Separation | None:
    """The pooled separation, if its lower bound is above 1 - 1/n."""
    if not table["active"] or "auc" not in table:
        return None
    # Half for each side: scores that are upside down separate as well.
    level = evidence.plan.level(looks_of(evidence.plan)) / 2
    n = max(table["pairs"], telling(level))
    limit = 1 - 1 / n
    if max(table["auc"], 1 - table["auc"]) < limit:
        return None  # A window whose last look disagrees cannot agree.
    needed = math.log(level) / math.log(limit)
    looks: list[Quantities] = []
    pairs, since = 0.0, evidence.step
    for record, each in backwards(evidence, "critics", name):
        if "auc" in each and each["active"]:
            looks.append(each)
            pairs, since = pairs + each["pairs"], record.step
            if pairs > needed:
                break
    else:
        return None
    auc, deviation = pooled(looks)
    auc = max(auc, 1 - auc)
    low = min(auc - normal_quantile(1 - level) * deviation, level ** (1 / pairs))
    return Separation(auc, low, limit, pairs, len(looks), since) if low > limit else None


def pooled(looks: list[Quantities]) -> tuple[float, float]:
    """AUC and its standard deviation over looks, each weighted by its pairs.

    The scale of scores drifts, so that only those of one look are compared. The variance is that
    of DeLong within looks, or that between looks where it is larger: looks differ by more than
    chance while the critic learns.
    """
    total = sum(each["pairs"] for each in looks)
    weights = [each["pairs"] / total for each in looks]
    auc = sum(w * each["auc"] for w, each in zip(weights, looks, strict=True))
    within = sum(w * w * each["auc_variance"] for w, each in zip(weights, looks, strict=True))
    between = variance(each["auc"] for each in looks) / len(looks) if len(looks) > 1 else 0.0
    return auc, math.sqrt(max(within, between))


@cache
def telling(level: float) -> int:
    """The smallest n for which n against n scores in perfect order are no chance."""
    n = 1
    while math.comb(2 * n, n) * level < 1:
        n += 1
    return n


def faded(evidence: Evidence, terms: Sequence[str], since: int) -> dict[str, float]:
    """Terms (all where none is named) whose gradient at the output has gone, with its norm."""
    forces = list(evidence.of("forces"))
    if len(forces) < 2 or forces[-1].step < since:
        return {}
    largest = max(sum(each["norm"] for each in record.table.values()) for record in forces)
    limit = largest / looks_of(evidence.plan)
    last, before = forces[-1].table, forces[-2].table
    return {
        term: last[term]["norm"]
        for term in terms or last
        if term in last and term in before
        if max(last[term]["norm"], before[term]["norm"]) <= limit
    }


def _finding(
    evidence: Evidence,
    name: str,
    separation: Separation,
    severity: Severity,
    told: str,
    pulls: Mapping[str, float],
) -> Finding:
    return Finding(
        "WP109",
        f"{name} is never wrong (AUC {separation.auc:.4f}); {told}",
        severity,
        evidence.step,
        separation.since,
        {
            "subject": name,
            "auc": separation.auc,
            "auc_lower_bound": separation.low,
            "limit": separation.limit,
            "pairs": separation.pairs,
            "looks": separation.looks,
            **pulls,
        },
        (
            Suspect("the critic's learning rate", "run on from here with a hundredth of it"),
            Suspect(
                "a loss that saturates",
                "the same batch through -log D instead of log(1 - D): does the share come back?",
            ),
            Suspect(
                "a cue that no generator can copy",
                "give the critic real examples with the level, DC and codec noise of made ones",
            ),
        ),
        "a slower or smaller critic, a gradient penalty, a loss that does not saturate",
    )
