"""`audit_objective`: what several terms do together, at the points where a network stands."""

import time
from collections.abc import Collection, Mapping

import torch

from ..findings import Severity
from .asked import LossFunction
from .settling import settling_part
from .terms import POINTS, Items, Objective, Terms, as_terms, pulls
from .verdict import Answer, Audit, Numbers, Part, bad, joined

ROUNDING = 1e-5
"""Relative difference of two float32 sums over the same batch in another order."""


def audit_objective(
    terms: Terms | Mapping[str, LossFunction],
    weights: Mapping[str, float],
    items: Mapping[str, Items],
    *,
    applies: Mapping[str, Collection[str]] | None = None,
    per: str = "item",
    batch_size: int = 1,
    validation: tuple[Terms | Mapping[str, LossFunction], Mapping[str, float]] | None = None,
    rate: int = 16000,
    name: str = "objective",
) -> Audit:
    """Ask an objective of weighted terms who pulls, where the level settles, and for what batch.

    `terms` are functions of (estimate, reference) by name, or one function of (estimate, items)
    that returns all of them. `items` are the kinds of items that training meets, with what a
    network makes of them and their share; `applies` says which kinds a term is for (all).
    `per` is "item" when every item counts alike, "kind" when each kind's mean counts in every
    batch that has one. `validation` are terms and weights of the validation objective.

    Raises ValueError for weights without a term, shares out of range, or another `per`.
    """
    began = time.process_time()
    _require(weights, items, per, terms)
    made = as_terms(terms, applies or {})
    objective = Objective(made, weights, items, per, batch_size, rate)
    parts = [_forces(objective), settling_part(objective), _unused(objective)]
    if validation is not None:
        other = as_terms(validation[0], applies or {})
        judged = Objective(other, validation[1], items, per, batch_size, rate)
        parts.append(_agreement(objective, judged))
    answers, numbers = joined(parts)
    listed = " + ".join(f"{weight:g} {term}" for term, weight in weights.items() if weight)
    kinds = ", ".join(f"{each.share:.0%} {kind}" for kind, each in items.items())
    seconds = time.process_time() - began
    return Audit(name, f"{listed}; {kinds}; batches of {batch_size}", answers, numbers, seconds)


def _require(
    weights: Mapping[str, float],
    items: Mapping[str, Items],
    per: str,
    terms: object,
) -> None:
    if per not in ("item", "kind"):
        raise ValueError(f'per is {per!r}; wanted is "item" or "kind"')
    if not items or any(not 0 < each.share <= 1 for each in items.values()):
        raise ValueError("every kind of item needs a share above 0 and at most 1")
    if isinstance(terms, Mapping) and (unknown := sorted(set(weights) - set(terms))):
        raise ValueError(f"weights without a term: {', '.join(unknown)}")


def _forces(objective: Objective) -> Part:
    """Shares of the gradient at three points, and whether the sum leads to the reference."""
    numbers: Numbers = {}
    usual = max(objective.items, key=lambda kind: objective.items[kind].share)
    shares: dict[str, list[float]] = {}
    away = []
    for kind, items in objective.items.items():
        for point, left in POINTS.items():
            estimate = items.reference + left * (items.estimate - items.reference)
            found = pulls(objective, kind, estimate)
            total = sum(each["norm"] for each in found.values())
            for term, each in found.items():
                share = each["norm"] / total if total else 0.0
                if kind == usual:
                    shares.setdefault(term, []).append(share)
                key = f"{kind}, {point}, {term}"
                numbers[key] = {"share": share, **each}
            pull = {term: each["to_reference"] for term, each in found.items()}
            if pull and sum(pull.values()) < -ROUNDING * sum(abs(p) for p in pull.values()):
                away.append((kind, point, min(pull, key=lambda term: pull[term])))
    return Part([_shared(usual, shares), _leads(away)], {"forces": numbers})


def _shared(kind: str, shares: Mapping[str, list[float]]) -> Answer:
    """Shares in the kind of items that there is most of; all others are among the numbers."""
    ordered = sorted(shares, key=lambda term: -shares[term][0])
    listed = ", ".join(f"{term} {shares[term][0]:.0%}" for term in ordered)
    last = ", ".join(f"{shares[term][-1]:.0%}" for term in ordered)
    text = f"shares of the gradient for {kind} items: {listed} (near the reference {last})"
    return Answer("uniqueness", text)


def _leads(away: list[tuple[str, str, str]]) -> Answer:
    if not away:
        return Answer("existence", "all terms together lead to the reference from every point")
    kind, point, term = away[0]
    return bad(
        "existence",
        "WP204",
        Severity.WARN,
        f"{term} outvotes the others: {kind} estimates {point} are pulled away from the reference",
        {"subject": term, "points": len(away), "of": len(POINTS)},
        suspects=((term, f"halve the weight of {term} and audit again"),),
        advice="weights that leave the pull to the reference in charge at every point",
    )


def _unused(objective: Objective) -> Part:
    """Terms with a weight that never reach an estimate."""
    connected: dict[str, bool] = {}
    for kind, items in objective.items.items():
        for term, each in pulls(objective, kind, items.estimate).items():
            connected[term] = connected.get(term, False) or each["connected"] > 0
    weighted = [term for term, weight in objective.weights.items() if weight]
    unused = [term for term in weighted if not connected.get(term, False)]
    if not unused:
        return Part([Answer("existence", f"every term reaches the estimate: {len(weighted)}")])
    return Part(
        [
            bad(
                "existence",
                "WP106",
                Severity.WARN,
                f"terms with a weight but no way to the estimate: {', '.join(unused)}",
                {"subject": ", ".join(unused), "terms": len(unused)},
                suspects=(("detach() in the term", "print its grad_fn"),),
            )
        ]
    )


@torch.no_grad()
def _agreement(training: Objective, validation: Objective) -> Part:
    """Both objectives on one batch, with the same estimates."""
    values = []
    for objective in (training, validation):
        total: dict[str, float] = {}
        for kind, items in objective.items.items():
            for term, value in objective.values(kind, items.estimate).items():
                cost = objective.chance(kind) * float(value)
                total[term] = total.get(term, 0.0) + cost
        values.append(total)
    ours, theirs = values
    size = sum(abs(each) for each in (*ours.values(), *theirs.values()))
    gap = sum(ours.values()) - sum(theirs.values())
    numbers = {
        "training_objective": sum(ours.values()),
        "validation_objective": sum(theirs.values()),
    }
    if abs(gap) <= ROUNDING * size:
        return Part(
            [Answer("uniqueness", "training and validation objective agree on one batch")], numbers
        )
    other = [
        term
        for term in dict.fromkeys((*ours, *theirs))
        if abs(ours.get(term, 0.0) - theirs.get(term, 0.0)) > ROUNDING * size
    ]
    said = f"training says {sum(ours.values()):.4g}, validation {sum(theirs.values()):.4g}"
    answer = bad(
        "uniqueness",
        "WP208",
        Severity.FAIL,
        f"the same batch, two objectives: {said}; they differ in {', '.join(other)}",
        {"subject": ", ".join(other), "difference": gap},
        suspects=(("another default of a weight", "pass the recipe's weights to both"),),
        advice="one function with one set of weights for both",
    )
    return Part([answer], numbers)
