"""References: silent ones, late ones, and those of somebody else."""

import random

import pytest
import torch
from denoising import Denoising, grave, judged, row, scene
from torch import Tensor

from wellposed.guard import Severity
from wellposed.guard.checks import all_checks
from wellposed.guard.evidence import Evidence, Record
from wellposed.guard.instruments.alignment import alignment
from wellposed.guard.plan import Plan


def silence(noisy: Tensor, clean: Tensor, step: int) -> tuple[Tensor, Tensor]:
    if step == 5:
        clean = clean.clone()
        clean[2] = 0
    return noisy, clean


def test_one_silent_reference_is_enough_where_none_is_declared():
    findings = Denoising(spoil=silence, steps=8).train()
    assert [(each.code, each.severity, each.step) for each in findings] == [
        ("WP105", Severity.WARN, 5)
    ]
    assert findings[0].evidence["silent"] == 1


def silent_rows(share: float, seed: int, steps: int = 600):
    draws = random.Random(seed)
    for step in range(steps):
        yield row(step, silent_references=float(sum(draws.random() < share for _ in range(8))))


def test_a_declared_share_of_silent_references_is_no_fault_and_five_times_of_it_is():
    plan = Plan(steps=600, silent_targets=0.03)
    runs = [judged("silent_targets", silent_rows(0.03, seed), plan) for seed in range(40)]
    assert sum(map(bool, runs)) <= 1
    assert judged("silent_targets", silent_rows(0.15, 0), plan)[0].code == "WP105"


def test_a_critic_that_is_shown_no_reference_hides_none():
    rows = [row(0, silent_references=1.0), row(0, {"critic": 0.0}, items=0.0, reference_rms=0.0)]
    assert judged("silent_targets", rows, Plan())


@pytest.mark.parametrize("lag", [7, -3])
def test_references_that_are_late_or_early_are_told_with_the_number_of_samples(lag):
    findings = Denoising(spoil=lambda x, c, step: (x, c.roll(lag, 1)), steps=2).train()
    (finding,) = findings
    assert (finding.code, finding.severity, finding.step) == ("WP414", Severity.FAIL, 0)
    assert finding.evidence["lag"] == lag


def test_references_of_other_sources_are_told():
    (finding,) = Denoising(spoil=lambda x, c, step: (x, c.roll(1, 0)), steps=2).train()
    assert (finding.code, finding.evidence["crossed"]) == ("WP415", 8)


def test_references_in_place_are_no_finding_in_many_batches():
    assert Denoising(look_every=1, steps=40).train() == []


def test_references_that_have_nothing_to_do_with_their_sources_are_left_alone():
    # White, coloured and periodic signals: neither lags nor pairs agree more than by chance.
    wrong = 0
    for seed in range(60):
        draws = torch.Generator().manual_seed(seed)
        evidence = Evidence(Plan())
        for step in range(8):
            shape = (8, 2 if seed % 2 else 1, 128)
            source, reference = (torch.randn(shape, generator=draws) for _ in range(2))
            if seed % 3:
                source, reference = source.cumsum(-1), reference.cumsum(-1)
            evidence.add("alignment", Record(step, alignment(source, reference)))
            looks = [each for each in all_checks() if each.reads == "alignment"]
            wrong += any(each.look(evidence) is not None for each in looks)
    assert wrong == 0


def test_unrelated_items_are_in_mutual_pairs_as_often_as_on_paper():
    # One of n entries of a row is also the largest of its column: n / (2 n - 1).
    draws = torch.Generator().manual_seed(0)
    mutual = [
        alignment(*(torch.randn(8, 400, generator=draws) for _ in range(2)))["pairs"]["mutual"]
        for _ in range(200)
    ]
    assert sum(mutual) / 1600 == pytest.approx(8 / 15, abs=0.04)


def test_silent_and_constant_items_and_other_shapes_say_nothing():
    noisy, clean = scene(0)
    clean[1], noisy[2] = 0, 0.7
    assert set(alignment(noisy, clean)) == {f"item {n}" for n in (0, 3, 4, 5, 6, 7)} | {"pairs"}
    assert alignment(noisy, clean[:, :9]) == {}
    assert alignment(noisy[:1], clean[:1]) == {}
    noisy[4, 4] = float("nan")
    assert alignment(noisy, clean) == {}


def test_levels_and_offsets_of_the_references_do_not_matter():
    run = Denoising(spoil=lambda x, c, step: (x, 0.01 * c + 0.3), steps=4, look_every=1)
    assert grave(run.train()) == []
