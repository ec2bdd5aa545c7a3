"""Terms that lead to the truth, and splits that share nothing: a sick problem for each."""

from collections.abc import Mapping, Sequence

import torch
from little_problem import batch, problem
from torch import Tensor

from wellposed.guard import Severity
from wellposed.guard.audit import Audit
from wellposed.guard.audit.problem import Problem, audit_problem
from wellposed.guard.plan import Plan

Batch = Mapping[str, Tensor]


def asked(given: Problem, question: str) -> Audit:
    return audit_problem(given, only=(question,))


def moved(networks: Mapping[str, torch.nn.Module], batch: Batch, share: float) -> Tensor:
    return torch.lerp(networks["model"](batch["noisy"]), batch["clean"], share)


def squared(networks: Mapping[str, torch.nn.Module], batch: Batch, share: float) -> dict:
    gap = moved(networks, batch, share) - batch["clean"]
    return {"square": gap.square().mean(-1)}


def with_another_sign(networks: Mapping[str, torch.nn.Module], batch: Batch, share: float) -> dict:
    (square,) = squared(networks, batch, share).values()
    return {"square": square, "signed": -square}


def test_a_squared_error_falls_toward_the_truth():
    (answer,) = asked(problem(toward=squared), "terms_lead_to_truth").answers
    assert (answer.word, answer.finding) == ("ok", None)


def test_a_term_with_another_sign_than_the_data_is_found_and_named():
    given = problem(toward=with_another_sign, weights={"signed": 0.1})
    (finding,) = asked(given, "terms_lead_to_truth").findings
    assert (finding.code, finding.severity) == ("WP112", Severity.WARN)
    assert finding.evidence["subject"] == "signed"
    assert finding.evidence["items"] == finding.evidence["of"] == 16
    assert finding.evidence["at_the_truth"] == 0.0
    assert float(finding.evidence["at_the_estimate"]) < 0


def test_a_sum_that_rises_toward_the_truth_fails():
    given = problem(toward=with_another_sign, weights={"signed": 10.0})
    (finding,) = asked(given, "terms_lead_to_truth").findings
    assert finding.severity == Severity.FAIL


def test_without_a_way_to_the_truth_nothing_is_said():
    (answer,) = asked(problem(), "terms_lead_to_truth").answers
    assert not answer.asked


def keyed(base: int, numbers: Sequence[int]) -> list[dict[str, Tensor]]:
    """Batches by a base seed plus a number."""
    return [batch(base + number) for number in numbers]


def test_seeds_of_two_splits_that_overlap_in_the_middle_are_found():
    given = problem(
        plan=Plan(steps=200), validation=keyed(123, range(4)), batch=lambda number: batch(number)
    )
    (finding,) = asked(given, "splits_apart").findings
    assert (finding.code, finding.severity) == ("WP416", Severity.FAIL)
    assert float(finding.evidence["items"]) > 0


def test_splits_that_share_nothing_are_said_to_within_what_was_looked_at():
    given = problem(plan=Plan(steps=8), validation=keyed(10_000, range(4)))
    (answer,) = asked(given, "splits_apart").answers
    assert "none of 16 validation items is among 32 training items, all of" in answer.text
    given = problem(plan=Plan(steps=100_000), validation=keyed(200_000, range(4)))
    (answer,) = asked(given, "splits_apart").answers
    # 0.99 = 1 - (1 - share)^256
    assert "256 training items" in answer.text
    assert "less than 1.8%" in answer.text
