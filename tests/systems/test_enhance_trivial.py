"""What silence, the input and the clean side itself score in the enhance system."""

from typing import Any

import pytest
import torch
from torch import nn

from wellposed.engine.distributed import World
from wellposed.engine.examination import examine
from wellposed.engine.validation import Selection, Trivial, direction, measure, scenes_hash
from wellposed.guard import Guard, Severity
from wellposed.guard.plan import Plan
from wellposed.systems.enhance.recipe import EnhanceRecipe
from wellposed.systems.enhance.system import Enhance

ALONE = World(0, 1, torch.device("cpu"))


def enhance(scenes: int = 6, **changes: Any) -> Enhance:
    tree = {
        "model": Enhance.sizes["tiny"].model_dump(),
        "scenes": {"validation_seconds": 1.0, "absent": 0.0, "snr_db": [0, 10], **changes},
        "validation": {"scenes": scenes},
    }
    return Enhance(EnhanceRecipe.model_validate(tree))


class Passing(nn.Module):
    """Hands on `gain` times its input."""

    def __init__(self, gain: float) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.tensor(gain))

    def forward(self, noisy: torch.Tensor) -> torch.Tensor:
        """Turn `(batch, time)` up or down."""
        return self.gain * noisy


def judged(system: Enhance, model: nn.Module, known: Trivial) -> list[tuple[str, Severity, str]]:
    """Codes, severities and metrics of what the guard finds at the end of a run."""
    networks = {"model": model}
    guard = Guard(networks, plan=Plan(steps=100, validate_every=100))
    measured = measure(system, networks, ALONE, shared=True, trivial=known)
    recipe = system.recipe.validation
    selection = Selection(recipe.select, direction(system), scenes_hash(system))
    examine(guard, system, 100, measured, known, selection)
    return [
        (each.code, each.severity, str(each.evidence.get("metric", ""))) for each in guard.findings
    ]


@torch.no_grad()
def test_silence_has_no_score_the_input_no_improvement_and_the_clean_side_all():
    system = enhance()
    item = system.item("valid", 0)
    trivial = system.trivial(item)
    assert list(trivial) == ["silence", "input", "reference"]
    assert set(trivial["silence"]) == set(system.metrics)
    assert set(trivial["silence"].values()) == {None}
    assert trivial["input"]["si_sdr_improvement_db"] == pytest.approx(0.0, abs=1e-9)
    assert trivial["reference"]["level_error_db"] == pytest.approx(0.0, abs=1e-9)
    assert trivial["reference"]["estoi"] == pytest.approx(1.0)
    assert trivial["input"]["estoi"] == pytest.approx(
        system.measure({"model": Passing(1.0)}, item)["estoi"]
    )


@torch.no_grad()
def test_the_input_is_scored_once_for_the_row_and_the_comparison(monkeypatch):
    calls: list[int] = []
    real = Enhance._scores
    monkeypatch.setattr(
        Enhance, "_scores", lambda self, item, wave: calls.append(1) or real(self, item, wave)
    )
    system = enhance()
    item = system.item("valid", 0)
    row = system.measure({"model": Passing(0.5)}, item)
    system.trivial(item)
    assert len(calls) == 4  # estimate, input, silence, clean side
    assert "noisy/si_sdr_db" in row
    assert "noisy/si_sdr_improvement_db" not in row


def test_the_declared_share_of_silent_targets_is_the_recipes():
    assert enhance(absent=0.25).silent_targets == 0.25


def test_handing_on_the_input_is_no_worse_than_the_input():
    found = judged(enhance(), Passing(0.5), {})
    assert [each for each in found if each[1] is not Severity.INFO] == []


def test_an_untrained_network_is_no_better_than_its_input():
    system = enhance(scenes=8)
    torch.manual_seed(0)
    found = judged(system, system.build()["model"], {})
    assert ("WP401", Severity.INFO, "si_sdr_improvement_db") in found
    assert not [each for each in found if each[0] in ("WP402", "WP403")]


def test_a_network_that_never_moves_and_is_no_better_than_its_input_is_told():
    system, known = enhance(), Trivial()
    networks = {"model": Passing(0.5)}
    guard = Guard(networks, plan=Plan(steps=1000, validate_every=100))
    selection = Selection("si_sdr_db", "higher", "scenes")
    for step in (100, 200):
        measured = measure(system, networks, ALONE, shared=True, trivial=known)
        examine(guard, system, step, measured, known, selection)
    (found,) = guard.findings
    assert (found.code, found.severity, found.step) == ("WP401", Severity.WARN, 200)


def test_a_network_that_says_nothing_is_worse_than_its_input():
    found = judged(enhance(), Passing(0.0), {})
    assert ("WP401", Severity.FAIL, "si_sdr_improvement_db") in found
    assert ("WP405", Severity.INFO, "estoi") in found
