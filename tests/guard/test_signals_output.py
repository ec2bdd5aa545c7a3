"""Outputs that are silent, shifted by a constant, or clipped; and values that are hidden."""

import pytest
import torch
from denoising import Denoising, absolute, grave, judged, level, row, scene
from torch import Tensor, nn

from wellposed.guard import Guard, Severity
from wellposed.guard.plan import Plan


def told(findings) -> list[tuple[str, Severity]]:
    return [(each.code, each.severity) for each in findings]


def test_an_output_that_is_exactly_silent_is_told_within_seven_steps():
    findings = Denoising(shape=lambda estimate: estimate * 0, steps=10).train()
    assert ("WP118", Severity.WARN) in told(findings)
    assert next(each.step for each in findings if each.code == "WP118") == 6


def test_a_gate_that_begins_at_zero_and_silent_references_are_no_dead_output():
    gate = nn.Parameter(torch.zeros(()))

    class Gated(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.gate = gate

        def forward(self, x: Tensor) -> Tensor:
            return self.gate * x

    assert Denoising(last=(Gated(),), steps=12, rate=1e-3).train() == []
    silent = row(0, silent_references=8.0, silent_estimates=8.0)
    assert judged("output_silent", [silent] * 20, Plan()) == []


def test_an_offset_that_the_network_cannot_lose_is_a_note_first_and_grave_when_it_stays():
    findings = Denoising(
        shape=lambda estimate: estimate - estimate.mean(1, keepdim=True) + 0.3, steps=260
    ).train()
    assert told(findings) == [("WP308", Severity.INFO), ("WP308", Severity.WARN)]
    assert findings[1].evidence["offset"] == pytest.approx(0.3, abs=0.01)


def test_an_offset_that_is_learned_away_or_that_the_references_have_is_no_finding():
    class Shifted(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.bias = nn.Parameter(torch.tensor(0.3))

        def forward(self, x: Tensor) -> Tensor:
            return x + self.bias

    assert Denoising(last=(Shifted(),), steps=100, rate=3e-3).train() == []
    bright = Denoising(spoil=lambda x, c, step: (x + 0.5, c + 0.5), steps=100)
    assert bright.train() == []


def test_an_output_beyond_full_scale_is_told_and_loud_data_is_not():
    loud = Denoising(shape=lambda estimate: 3000 * estimate, steps=80, rate=0.0).train()
    assert ("WP309", Severity.INFO) in told(loud)
    scaled = [row(step, estimate_full=0.3, reference_full=0.2) for step in range(300)]
    assert judged("output_clips", scaled, Plan(steps=300)) == []


def test_nothing_is_said_while_the_planned_rate_still_rises():
    rows = [row(step, estimate_mean=0.5, estimate_rms=0.5, error_rms=0.6) for step in range(300)]
    assert judged("output_dc", rows, Plan(steps=300, rate=lambda step: step / 300)) == []
    assert judged("output_dc", rows, Plan(steps=300)) != []


class Masked(nn.Module):
    """Logits of minus infinity or NaN in places that the softmax or a `where` never uses."""

    def __init__(self, value: float) -> None:
        super().__init__()
        self.inner = Marks(value)

    def forward(self, x: Tensor) -> Tensor:
        marked = self.inner(x)
        return torch.where(marked.isfinite(), marked, x)


class Marks(nn.Module):
    def __init__(self, value: float) -> None:
        super().__init__()
        self.value = value

    def forward(self, x: Tensor) -> Tensor:
        places = torch.zeros_like(x, dtype=torch.bool)
        places[:, ::7] = True
        return x.detach().masked_fill(places, self.value) + 0 * x.mean()


@pytest.mark.parametrize(
    ("value", "grades"),
    [
        (float("nan"), [Severity.INFO, Severity.WARN]),
        (float("-inf"), [Severity.INFO]),
        (0.0, []),
    ],
)
def test_values_that_are_hidden_inside_a_network_name_the_module(value, grades):
    findings = Denoising(last=(Masked(value),), steps=20, rate=0.0).train()
    hidden = [each for each in findings if each.code == "WP316"]
    assert [each.severity for each in hidden] == grades
    assert {each.evidence["subject"] for each in hidden} <= {"5.inner"}


def test_a_network_whose_own_output_is_not_finite_hides_nothing():
    model = nn.Sequential(nn.Linear(2, 2), nn.ReLU())
    guard = Guard(model, look_every=1)
    for step in range(3):
        model(torch.full((1, 2), float("nan"))).sum().backward()
        guard.step(step, {"loss": 0.0})
    assert [each for each in guard.findings if each.code == "WP316"] == []


def test_healthy_runs_over_seeds_and_rates_have_no_grave_finding():
    terms = {"l1": (absolute, 1.0), "level": (level, 0.1)}
    for seed in range(2):
        for rate in (3e-3, 1e-2, 3e-2):
            assert grave(Denoising(terms=terms, seed=seed, rate=rate, steps=66).train()) == []
    assert scene(3)[1].abs().max() < 1
