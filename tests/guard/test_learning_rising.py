"""Gradients that rise until they overflow, and those that only rise."""

import math
import random

import pytest
import torch
from learning import found, train
from torch import Tensor, nn

from wellposed.guard import Guard
from wellposed.guard.checks.gradient_rising import check
from wellposed.guard.evidence import Evidence
from wellposed.guard.finite import COLUMNS
from wellposed.guard.plan import Plan
from wellposed.guard.rows import Row


class Bowl(nn.Module):
    """A quadratic with two curvatures; the steep direction begins at almost nothing."""

    def __init__(self, steep: float):
        super().__init__()
        self.place = nn.Parameter(torch.tensor([1.0, 1e-6]))
        self.curvatures = torch.tensor([0.05, steep])

    def forward(self, x: Tensor) -> Tensor:
        return 0.5 * (self.curvatures * self.place.square()).sum() + 0 * x.sum()


def run(steep: float, steps: int, planned: int | None = None) -> Guard:
    model = Bowl(steep)
    optimizer = torch.optim.SGD(model.parameters(), 1.0)
    guard = Guard(model, optimizer, plan=Plan(steps=planned, fine_tuning=True), veto=True)
    return train(guard, model, optimizer, steps, terms=lambda m, step: {"bowl": m(torch.ones(1))})


@pytest.mark.parametrize("growth", [1.15, 1.3])
def test_a_step_beyond_the_stable_one_is_named_with_its_growth_before_it_overflows(growth):
    # A step of length 1 multiplies the steep direction by 1 - curvature.
    (finding,) = found(run(1 + growth, 200), "WP318")
    assert float(finding.evidence["growth_per_step"]) == pytest.approx(growth - 1, rel=0.05)
    left = math.log(1.8447e19 / float(finding.evidence["norm_now"])) / math.log(growth)
    assert float(finding.evidence["steps_to_overflow"]) == pytest.approx(left, rel=0.1)


def test_a_stable_step_raises_no_alarm_and_growth_that_ends_in_time_none_either():
    assert found(run(1.9, 200)) == []
    assert found(run(2.15, 200, planned=200), "WP318") == []


def evidence(norms: list[float], losses: list[float], plan: Plan) -> list[int]:
    """Steps at which the check speaks, row by row."""
    made = Evidence(plan)
    spoken = []
    for step, (norm, loss) in enumerate(zip(norms, losses, strict=True)):
        values = dict.fromkeys(COLUMNS, 1.0) | {"gradient_norm": norm, "term/loss": loss}
        made.rows.append(Row(step, values))
        made.fresh = 1
        if check(made):
            spoken.append(step)
    return spoken


def wander(seed: int, steps: int, memory: float, spread: float) -> list[float]:
    draw, value, path = random.Random(seed), 0.0, []
    for _ in range(steps):
        value = memory * value + spread * draw.gauss(0, 1)
        path.append(value)
    return path


@pytest.mark.parametrize("memory", [0.0, 0.9, 0.99, 1.0])
def test_wandering_norms_stay_within_the_declared_budget(memory):
    alarms = 0
    for seed in range(25):
        norms = [math.exp(x) for x in wander(seed, 400, memory, 0.1)]
        losses = wander(1000 + seed, 400, memory, 0.1)
        alarms += bool(evidence(norms, losses, Plan(steps=400)))
    # 1 % is declared for norms that do not depend on each other; walks without end may cost more.
    assert alarms <= (2 if memory == 1.0 else 0)


def test_a_warm_up_that_ends_and_a_plateau_that_is_left_raise_no_alarm():
    noise = [math.exp(x) for x in wander(3, 400, 0.5, 0.05)]
    ends = [n * (1 + 9 * (1 - math.exp(-step / 40))) for step, n in enumerate(noise)]
    flat = wander(4, 400, 0.5, 0.05)
    assert evidence(ends, flat, Plan(steps=400)) == []
    left = [n * math.exp(step / 20) for step, n in enumerate(noise)]
    falling = [x - 0.02 * step for step, x in enumerate(flat)]
    assert evidence(left, falling, Plan(steps=4000)) == []
    assert evidence(left, flat, Plan(steps=4000)) != []


def test_players_of_a_duel_are_judged_each_by_its_own_rows():
    made = Evidence(Plan(steps=1000))
    for step in range(200):
        for player, norm in (("fool", 1.0 + 0.1 * (step % 3)), ("judge", 1e6)):
            values = dict.fromkeys(COLUMNS, 1.0) | {"gradient_norm": norm, f"term/{player}": 0.5}
            made.rows.append(Row(step, values))
            made.fresh = 1
            assert check(made) is None
