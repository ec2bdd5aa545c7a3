"""Forces of terms at the estimate: against formulas, and what the checks make of them."""

import math
import random

import pytest
import torch
from denoising import Denoising, absolute, grave, level, scene, square
from torch import Tensor, nn

from wellposed.guard import Finding, Guard, Severity
from wellposed.guard.checks import all_checks
from wellposed.guard.evidence import Evidence, Record
from wellposed.guard.heavytail import outweighed, second_integral, wager
from wellposed.guard.instruments.forces import forces
from wellposed.guard.patience import level_at, sustained
from wellposed.guard.plan import Plan

ESTIMATE = torch.tensor([[3.0, 4.0, 0.0, 0.0], [0.0, 0.0, 1.0, 1.0]])


def pulled(**terms: Tensor | None) -> dict:
    """Records of terms whose gradients at `ESTIMATE` are given."""
    estimate = ESTIMATE.clone().requires_grad_()
    named = {
        name: torch.tensor(2.0) if gradient is None else (estimate * gradient).sum()
        for name, gradient in terms.items()
    }
    return forces(named, estimate)


def test_shares_and_cosines_are_those_of_the_gradients():
    found = pulled(a=3 * ESTIMATE, b=-ESTIMATE, c=None)["forces"]
    assert [found[name]["share"] for name in "abc"] == pytest.approx([0.75, 0.25, 0])
    assert found["a"]["with_others"] == pytest.approx(-1)
    assert found["a"]["others_gain"] == pytest.approx(-1)  # -e against 3 e - e
    assert found["b"]["others_gain"] == pytest.approx(1)
    assert found["a"]["over_others"] == pytest.approx(3)
    assert (found["c"]["graph"], found["c"]["connected"], found["c"]["norm"]) == (0, 0, 0)


def test_directions_are_found_item_by_item():
    flat = torch.ones_like(ESTIMATE)
    found = pulled(level=-ESTIMATE, dc=2 * flat, other=torch.eye(4)[:2])["forces"]
    assert found["level"]["along_level"] == pytest.approx(1)
    assert found["level"]["toward_louder"] == pytest.approx(27)
    assert found["dc"]["along_dc"] == pytest.approx(1)
    assert found["dc"]["toward_dc"] == -16
    # (3 / 5)^2 of one item's 1, 0 of the other's: 0.36 of 2.
    assert found["other"]["along_level"] == pytest.approx(0.18)
    assert found["other"]["along_dc"] == pytest.approx(0.25)
    assert found["dc"]["low_half"] == pytest.approx(1)
    swinging = pulled(high=torch.tensor([[1.0, -1.0, 1.0, -1.0]]).repeat(2, 1))["forces"]
    assert swinging["high"]["low_half"] == pytest.approx(0)


def test_the_item_that_outweighs_the_others_does_so_in_both_measures():
    # Pulls 30 and 3, levels 5 and sqrt 2: by 10 as they are, more when weighed by level.
    first = torch.tensor([[30.0, 0, 0, 0], [3.0, 0, 0, 0]])
    assert pulled(a=first)["items"]["largest"]["over_others"] == pytest.approx(10)
    # The quiet item pulls harder, its level makes up for it: nothing outweighs anything twice.
    second = torch.tensor([[1.0, 0, 0, 0], [3.0, 0, 0, 0]])
    assert pulled(a=second)["items"]["largest"]["over_others"] == pytest.approx(3 * 2**0.5 / 5)


def test_an_estimate_without_a_graph_is_refused_with_what_to_do():
    with pytest.raises(ValueError, match="the estimate has no graph; wanted the very tensor"):
        forces({"a": torch.tensor(1.0)}, ESTIMATE)


def test_measuring_forces_leaves_the_step_bit_for_bit_as_it_was():
    def trained(look: bool) -> bytes:
        torch.manual_seed(0)
        model = nn.Linear(6, 6)
        guard = Guard(model, look_every=1, veto=True)
        loss = model(torch.ones(2, 6)).square().mean()
        if look:
            estimate = model(torch.ones(2, 6))
            loss = estimate.square().mean()
            guard.forces(0, {"loss": loss}, estimate)
        loss.backward()
        assert model.weight.grad is not None
        return model.weight.grad.numpy().tobytes()

    assert trained(True) == trained(False)


def cut(estimate: Tensor, reference: Tensor) -> Tensor:
    return square(estimate.detach(), reference)


def reached(estimate: Tensor, reference: Tensor) -> Tensor:
    return square(estimate, reference).clamp(min=100)


@pytest.mark.parametrize(
    ("loss", "weight", "kind", "severity"),
    [
        (cut, 1.0, "absent", Severity.WARN),
        (reached, 1.0, "saturated", Severity.WARN),
        (square, 0.0, "nothing", Severity.INFO),
    ],
)
def test_a_term_that_never_pulls_is_told_after_seven_looks(loss, weight, kind, severity):
    terms = {"l1": (absolute, 1.0), "more": (loss, weight)}
    (finding,) = Denoising(terms=terms, look_every=1, steps=8).train()
    assert (finding.code, finding.severity, finding.step) == ("WP106", severity, 6)
    assert (finding.evidence["subject"], finding.evidence["kind"]) == ("more", kind)


def test_what_the_crowded_looks_of_the_first_steps_agree_in_is_a_note_until_it_lasts():
    terms = {"l1": (absolute, 1.0), "more": (cut, 1.0)}
    findings = Denoising(terms=terms, look_every=4, steps=34).train()
    # Looks at 0, 1, 2, 4, 8, 12, 16: seven; at 4, 8, ..., 28: seven at equal distances.
    assert [(each.severity, each.step) for each in findings] == [
        (Severity.INFO, 16),
        (Severity.WARN, 28),
    ]


def test_a_term_that_pulls_in_some_batches_only_is_no_finding():
    calls = []

    def sometimes(estimate: Tensor, reference: Tensor) -> Tensor:
        calls.append(1)
        return square(estimate, reference) * float(len(calls) % 3 == 0)

    terms = {"l1": (absolute, 1.0), "more": (sometimes, 1.0)}
    assert Denoising(terms=terms, look_every=1, steps=30).train() == []


def looked(kind: str, tables: list[dict], plan: Plan | None = None, **others) -> list[Finding]:
    """What the checks of a kind say after each of these records."""
    evidence = Evidence(plan or Plan())
    for name, table in others.items():
        evidence.add(name, Record(0, table))
    found = []
    for step, table in enumerate(tables):
        evidence.add(kind, Record(step, table))
        found += [each.look(evidence) for each in all_checks() if each.reads == kind]
    return [each for each in found if each is not None]


def test_a_term_that_acts_elsewhere_is_a_note_and_one_that_waits_for_a_critic_nothing():
    elsewhere = {"graph": 1.0, "connected": 0.0, "value": 1.0, "norm": 0.0, "share": 0.0}
    assert [each.severity for each in looked("forces", [{"a": elsewhere}] * 7)] == [Severity.INFO]
    absent = {"a": {**elsewhere, "graph": 0.0, "value": 0.0}}
    assert [each.severity for each in looked("forces", [absent] * 7)] == [Severity.WARN]
    assert looked("forces", [absent] * 7, critics={"critic": {"active": 0.0}}) == []


def test_fifteen_times_the_distance_of_levels_dominates_and_is_named():
    terms = {"l1": (absolute, 1.0), "level": (level, 15.0)}
    (finding,) = Denoising(terms=terms, look_every=1, steps=10).train()
    assert (finding.code, finding.severity) == ("WP204", Severity.WARN)
    assert finding.evidence["subject"] == "level"
    assert finding.evidence["share"] == pytest.approx(15 / 16, abs=0.02)
    assert finding.evidence["along_level"] == pytest.approx(1)


def squared_levels(estimate: Tensor, reference: Tensor) -> Tensor:
    return level(estimate, reference).square()


def test_a_level_term_that_dominates_only_until_the_level_fits_is_told_where_it_never_does():
    # 15 (RMS - RMS)^2 + L1 at a tenth of the level: a rate of 1e-5 never brings it up.
    terms = {"l1": (absolute, 1.0), "level": (squared_levels, 15.0)}

    def quiet(estimate: Tensor) -> Tensor:
        return 0.1 * estimate

    slow = Denoising(
        terms=terms, rate=1e-5, shape=quiet, look_every=4, steps=34, spread_db=0.0
    ).train()
    assert "WP204" in grave(slow)
    assert Denoising(terms=terms, rate=1e-2, steps=80, spread_db=0.0).train() == []


def test_a_term_that_outweighs_the_others_but_knows_the_signal_is_no_finding():
    terms = {"l1": (absolute, 10.0), "mse": (square, 1.0), "level": (level, 0.1)}
    assert Denoising(terms=terms, steps=80).train() == []


def test_how_often_one_of_three_outweighs_the_others_has_a_closed_form():
    assert outweighed(3) == pytest.approx(2 - 2 * math.log(2), abs=1e-6)
    assert (outweighed(1), outweighed(2)) == (1, 1)
    # Tables of exponential integrals: E_2(1) = e^-1 - E_1(1) = 0.3678794 - 0.2193839.
    assert second_integral(1.0) == pytest.approx(0.1484955, abs=1e-7)
    assert second_integral(3.0) == pytest.approx(math.exp(-3) - 3 * 0.0130484, abs=1e-6)


def test_how_often_one_of_eight_outweighs_the_others_agrees_with_draws():
    draws = random.Random(0)
    hits = 0
    for _ in range(20_000):
        values = [1 / draws.random() for _ in range(8)]
        hits += 2 * max(values) > sum(values)
    assert outweighed(8) == pytest.approx(hits / 20_000, abs=0.01)


def test_the_bet_is_fair_where_items_have_no_mean():
    # Odds of 1 and less, and the tail p / x beyond: the integral of sqrt(x) p / x^2 is 2 p.
    for items in (3, 8, 64):
        p = outweighed(items)
        assert (1 - p) * wager(0.5, items) + 2 * p * wager(1 + 1e-12, items) == pytest.approx(1)


def test_fortunes_of_batches_without_a_mean_exceed_the_budget_no_more_often_than_it_says():
    draws, ruined = random.Random(0), 0
    for _ in range(400):
        fortune = highest = 1.0
        for _ in range(60):
            values = [1 / draws.random() for _ in range(8)]
            fortune *= wager(max(values) / (sum(values) - max(values)), 8)
            highest = max(highest, fortune)
        ruined += highest > 20
    assert ruined <= 0.05 * 400


def batches(seed: int, spread: float, hijacked: float, looks: int = 60) -> list[dict]:
    draws = random.Random(seed)
    tables = []
    for _ in range(looks):
        pulls = [math.exp(spread * draws.gauss(0, 1)) for _ in range(8)]
        if draws.random() < hijacked:
            pulls[2] *= 500
        item = max(range(8), key=pulls.__getitem__)
        over = pulls[item] / (sum(pulls) - pulls[item])
        tables.append({"largest": {"items": 8.0, "item": float(item), "over_others": over}})
    return tables


def test_heavy_tailed_items_are_no_hijack_and_one_item_in_most_batches_is():
    # Log-normal with sigma 1: one item outweighs seven others in an eighth of the batches.
    assert [looked("items", batches(seed, 1.0, 0.0)) for seed in range(40)] == [[]] * 40
    (finding, *_) = looked("items", batches(0, 1.0, 0.8))
    assert (finding.code, finding.severity) == ("WP314", Severity.WARN)
    assert finding.evidence["item"] == 2


def test_batches_of_two_are_never_judged():
    pair = {"largest": {"items": 2.0, "item": 0.0, "over_others": 5.0}}
    assert looked("items", [pair] * 100) == []


def log_level(estimate: Tensor, reference: Tensor) -> Tensor:
    """The squared logarithm of the ratio of levels: without bound for a silent reference."""
    power = estimate.square().mean(1) + 1e-12
    return (power / (reference.square().mean(1) + 1e-12)).log().square()


def test_a_silent_reference_under_a_logarithm_takes_over_the_batch_and_is_named():
    def silent(noisy: Tensor, clean: Tensor, step: int) -> tuple[Tensor, Tensor]:
        clean = clean.clone()
        clean[4] = 0
        return noisy, clean

    terms = {"log": (log_level, 1.0), "l1": (absolute, 1.0)}
    plan = Plan(silent_targets=0.2)
    run = Denoising(terms=terms, spoil=silent, plan=plan, look_every=2, steps=30, rate=1e-4)
    hijacks = [each for each in run.train() if each.code == "WP314"]
    assert [each.evidence["item"] for each in hijacks] == [4]
    healthy = Denoising(terms=terms, look_every=2, steps=30, rate=1e-4).train()
    assert [each for each in healthy if each.code == "WP314"] == []


def test_levels_of_repeated_looks_spend_the_budget_and_no_more():
    assert sum(level_at(0.01, look) for look in range(1, 10_000)) == pytest.approx(0.01, rel=1e-3)
    assert (sustained(0.01), sustained(0.5)) == (7, 2)


def test_the_scenes_have_the_levels_that_these_tests_need():
    clean = scene(0, spread_db=0.0)[1]
    assert 0.05 < clean.square().mean().sqrt() < 0.5
