"""Promises of the plan, and weights that were never validated."""

import copy
from typing import Any

import pytest
import torch
from little_run import Little, codes
from simulated_runs import healthy, plan, scored, told
from torch import nn

from wellposed.guard import Guard, Severity
from wellposed.guard.plan import Criterion, Plan


def promised(*means: float | None, **bounds: Any) -> list[tuple[int, Severity]]:
    run = Plan(steps=400, validate_every=100, criteria=(Criterion("m", **bounds),))
    series = [scored(100 * n, [mean] * 3, {}) for n, mean in enumerate(means, 1)]
    return [(each.step, each.severity) for each in told(series, run, "WP408")]


def test_a_promise_is_due_from_its_step_on_and_fails_at_the_end():
    assert promised(0, 0, 5, 5, low=1, step=300) == []
    assert promised(5, 5, 0, 5, low=1, step=300) == [(300, Severity.WARN)]
    assert promised(5, 0, 5, 7, high=6) == [(400, Severity.FAIL)]
    assert promised(1, 1, 1, 1, low=1, high=1) == []


def test_what_is_not_measured_keeps_no_promise():
    assert promised(None, 2, 2, 2, low=1) == [(100, Severity.WARN)]
    run = Plan(criteria=(Criterion("pesq", low=2),))
    (found,) = told([scored(1, [1.0], {})], run, "WP408")
    assert "is not measured" in found.title


def test_every_broken_promise_is_told():
    run = Plan(criteria=(Criterion("m", low=2), Criterion("m", high=0), Criterion("other", low=0)))
    found = told([scored(1, [1.0], {})], run, "WP408")
    assert [each.evidence["metric"] for each in found] == ["m", "other"]


def test_a_little_run_keeps_one_promise_and_breaks_another():
    kept = Criterion("snr_db", low=5, step=60)
    assert codes(Little(criteria=(kept,)).train()) == set()
    broken = Little(criteria=(kept, Criterion("snr_db", low=30, step=60))).train()
    assert [(e.code, e.step) for e in broken if e.severity is not Severity.INFO] == [
        ("WP408", 69),
        ("WP408", 119),
    ]


def test_live_weights_kept_in_place_of_the_validated_average_are_found():
    found = [each for each in Little(keep_live=True, steps=20).train() if each.code == "WP212"]
    assert [(each.severity, each.step) for each in found] == [(Severity.FAIL, 9)]


def keep(kept: nn.Module, held: nn.Module, name: str = "") -> list[float]:
    """Validate `Linear(2, 2)`, let the networks hold `held`, keep `kept`."""
    model = nn.Linear(2, 2)
    torch.nn.init.ones_(model.weight)
    torch.nn.init.zeros_(model.bias)
    guard = Guard(model)
    guard.validate(5, {"m": [1.0]}, better={"m": "higher"}, training=())
    model.load_state_dict(held.state_dict())
    guard.kept(5, {name + key: value for key, value in kept.state_dict().items()})
    found = [each for each in guard.findings if each.code == "WP212"]
    return [float(each.evidence["equal_those_in_networks"]) for each in found]


@pytest.mark.parametrize("name", ["", "model/"])
def test_kept_weights_are_compared_with_those_of_the_validation(name):
    judged, other = nn.Linear(2, 2), nn.Linear(2, 2)
    torch.nn.init.ones_(judged.weight)
    torch.nn.init.zeros_(judged.bias)
    nearly = copy.deepcopy(judged)
    with torch.no_grad():
        nearly.weight[0, 0] = torch.nextafter(torch.tensor(1.0), torch.tensor(2.0))
    assert keep(judged, judged, name) == keep(judged, other, name) == []
    assert keep(other, other, name) == [1.0]
    assert keep(nearly, judged, name) == [0.0]


def test_before_any_validation_the_weights_of_now_count():
    guard = Guard(nn.Linear(2, 2))
    guard.kept(0, guard.models["model"].state_dict())
    assert guard.findings == []
    guard.kept(1, nn.Linear(2, 2).state_dict())
    assert [each.code for each in guard.findings] == ["WP212"]


def test_healthy_runs_keep_what_they_promised():
    run = Plan(steps=1200, validate_every=100, criteria=(Criterion("sisdr", low=-30),))
    assert run.validations == plan().validations
    for seed in range(10):
        assert told(healthy(seed), run, "WP408") == []
