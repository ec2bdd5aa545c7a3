"""Rows that leave their range: found, and how often the rule is wrong."""

import math
import random
from collections.abc import Callable, Iterator

import pytest
from denoising import Denoising, absolute, grave, judged, level, row, scene
from torch import Tensor

from wellposed.guard import Severity
from wellposed.guard.plan import Plan
from wellposed.guard.rows import Row

Draw = Callable[[random.Random, int], float]


def student(draws: random.Random, freedom: int) -> float:
    spread = math.sqrt(sum(draws.gauss(0, 1) ** 2 for _ in range(freedom)) / freedom)
    return draws.gauss(0, 1) / spread


LOSSES: dict[str, Draw] = {
    "normal": lambda draws, step: draws.gauss(0, 1),
    "exponential": lambda draws, step: draws.expovariate(1),
    "log-normal": lambda draws, step: math.exp(draws.gauss(0, 1)),
    "Student, 3 degrees": lambda draws, step: student(draws, 3),
    "falling": lambda draws, step: 5 * math.exp(-step / 200) + 0.3 * draws.gauss(0, 1),
    "rising": lambda draws, step: step / 100 + draws.gauss(0, 1),
}


def healthy(loss: Draw, seed: int, steps: int = 1000) -> Iterator[Row]:
    """Losses around zero, log-normal gradients, and the largest of eight exponential items."""
    draws = random.Random(seed)
    for step in range(steps):
        items = [draws.expovariate(1) for _ in range(8)]
        yield row(
            step,
            {"loss": loss(draws, step)},
            gradient_norm=math.exp(0.5 * draws.gauss(0, 1)),
            share=max(items) / sum(items),
        )


@pytest.mark.parametrize("name", LOSSES)
def test_healthy_losses_of_any_tail_and_trend_keep_the_budget(name):
    # 6 laws x 5 runs at a budget of 0.01 a run: 0.3 false findings are expected in all.
    plan = Plan(steps=1000)
    runs = [judged("spike", healthy(LOSSES[name], seed), plan) for seed in range(5)]
    assert sum(map(bool, runs)) <= 1
    assert grave(finding for run in runs for finding in run) == []


def test_a_larger_budget_is_spent_and_not_overspent_by_far():
    # A budget of 5 a run and quantity makes the rate visible: of 3 x 5 x 8 = 120 expected.
    plan = Plan(steps=1000, false_alarms=15.0)
    found = 0
    for seed in range(8):
        rows = list(healthy(LOSSES["log-normal"], seed))
        found += len(judged("spike", rows, plan))
    assert 20 <= found <= 120


def spiked(steps: int, change: Callable[[int], dict[str, float]]) -> Iterator[Row]:
    for each in healthy(LOSSES["normal"], 0, steps):
        more = change(each.step)
        yield Row(each.step, {**each.values, **more}) if more else each


def test_a_single_spike_of_a_loss_that_crosses_zero_is_told_at_its_step():
    rows = spiked(500, lambda step: {"term/loss": 80.0} if step == 400 else {})
    (finding,) = judged("spike", rows, Plan(steps=500))
    assert (finding.code, finding.severity, finding.step) == ("WP311", Severity.INFO, 400)
    assert finding.evidence["subject"] == "the term loss"
    assert finding.evidence["value"] == 80.0


@pytest.mark.parametrize("at", [40, 400])
def test_an_item_that_makes_up_a_term_is_named_early_and_late(at):
    far = {"share/loss": 0.9995, "item/loss": 5.0}
    rows = spiked(500, lambda step: far if step == at else {})
    (finding,) = judged("item_outweighs", rows, Plan(steps=500))
    assert (finding.code, finding.severity, finding.step) == ("WP314", Severity.INFO, at)
    assert (finding.evidence["item"], finding.evidence["subject"]) == (5, "loss")


ITEMS: dict[str, Draw] = {
    "exponential": lambda draws, step: draws.expovariate(1),
    "log-normal": lambda draws, step: math.exp(draws.gauss(0, 1)),
    "inverse uniform": lambda draws, step: 1 / (1 - draws.random()),
}


@pytest.mark.parametrize("name", ITEMS)
def test_the_largest_of_healthy_items_keeps_the_budget_whatever_their_tail(name):
    # 3 laws x 2 sizes x 10 runs at 0.01 a run: 0.6 false findings are expected in all.
    told = 0
    for seed in range(20):
        draws, size = random.Random(seed), 4 + 12 * (seed % 2)
        rows = []
        for step in range(600):
            items = [ITEMS[name](draws, step) for _ in range(size)]
            rows.append(row(step, share=max(items) / sum(items), items=float(size)))
        told += bool(judged("item_outweighs", rows, Plan(steps=600)))
    assert told <= 1


def test_a_range_that_is_left_for_good_is_grave_and_since_the_step_it_was_left():
    rows = spiked(500, lambda step: {"term/loss": 60.0 + step % 7} if step >= 400 else {})
    findings = judged("spike", rows, Plan(steps=500))
    gone = [each for each in findings if each.severity is Severity.WARN]
    assert gone
    assert gone[0].since_step == 400
    assert 400 + 20 < gone[0].step < 400 + 64


def test_an_excursion_that_comes_back_stays_a_note():
    rows = spiked(600, lambda step: {"term/loss": 60.0} if 400 <= step < 412 else {})
    assert grave(judged("spike", rows, Plan(steps=600))) == []


def test_losses_after_a_planned_restart_of_the_rate_are_no_fault():
    plan = Plan(steps=600, rate=lambda step: 1.0 if step < 100 or step >= 400 else 0.01)
    rows = list(spiked(600, lambda step: {"term/loss": 60.0} if step >= 400 else {}))
    assert grave(judged("spike", rows, plan)) == []
    assert grave(judged("spike", rows, Plan(steps=600))) != []


def test_two_players_that_take_turns_are_judged_each_by_its_own_past():
    def rows() -> Iterator[Row]:
        for each in healthy(LOSSES["normal"], 0, 300):
            yield each
            yield row(each.step, {"critic": 100.0 + each.values["term/loss"]}, gradient_norm=50.0)

    assert judged("spike", rows(), Plan(steps=300)) == []


def test_a_batch_with_one_item_of_another_size_is_told_in_a_real_run():
    def loud(noisy: Tensor, clean: Tensor, step: int) -> tuple[Tensor, Tensor]:
        if step == 230:
            clean = clean.clone()
            clean[3] *= 1000
        return noisy, clean

    findings = Denoising(spoil=loud, steps=231, rate=1e-3, look_every=64).train()
    assert [(each.code, each.step) for each in findings] == [("WP314", 230), ("WP311", 230)]
    assert findings[0].evidence["item"] == 3


def test_the_scenes_themselves_hold_no_spike():
    terms = {"l1": (absolute, 1.0), "level": (level, 0.1)}
    assert Denoising(terms=terms, steps=260, rate=3e-3, look_every=64).train() == []
    assert scene(0)[0].shape == scene(1)[0].shape
