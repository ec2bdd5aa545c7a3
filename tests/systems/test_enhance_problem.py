"""The problem of enhancement passes its own audit; broken variants of the network do not."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from wellposed.engine.problem import problem_of
from wellposed.guard import Severity
from wellposed.guard.audit.problem import Problem, audit_problem
from wellposed.systems.enhance.recipe import SIZES, EnhanceRecipe, Scenes
from wellposed.systems.enhance.system import Enhance

CONNECTED = ("parameters_move", "inputs_reach", "parts_meet", "label_leak", "paths_agree",
             "rate_arrives", "future_leak")  # fmt: skip


def enhancing(*, causal: bool = False, **changes: Any) -> Problem:
    """The problem at its tiny size, on half a second of sound."""
    recipe = EnhanceRecipe(
        model=SIZES["tiny"].model_copy(update={"causal": causal}),
        scenes=Scenes(seconds=0.5, validation_seconds=1.0),
    )
    recipe = recipe.model_copy(
        update={"training": recipe.training.model_copy(update={"batch_size": 2})}
    )
    return replace(problem_of(Enhance(recipe)), **changes)


def test_everything_is_connected_nothing_leaks_and_both_paths_agree():
    audit = audit_problem(enhancing(), only=CONNECTED)
    assert audit.findings == ()
    assert [each.text for each in audit.answers if not each.asked] == [
        "future leak: not asked: no look-ahead is declared, so all of the future counts"
    ]


def test_the_causal_variant_keeps_to_its_declared_look_ahead():
    (answer,) = audit_problem(enhancing(causal=True), only=("future_leak",)).answers
    assert answer.word == "ok"
    assert "beyond 511 samples" in answer.text


def test_the_selecting_metric_knows_its_place_and_is_blind_to_the_declared_alone():
    audit = audit_problem(enhancing(), only=("trivial_ranked", "metric_audited"))
    assert audit.findings == ()
    undeclared = audit_problem(enhancing(blind=()), only=("metric_audited",))
    assert undeclared.codes(Severity.FAIL) == {"WP202"}


class Alone(nn.Module):
    """In the place of the path across bands."""

    def forward(self, x: Tensor) -> Tensor:
        return x


def test_a_network_without_its_path_across_bands_is_found():
    given = enhancing()

    def build() -> dict[str, nn.Module]:
        networks = dict(given.build())
        layers = networks["model"].get_submodule("paths.layers")
        assert isinstance(layers, nn.Sequential)
        for number in range(1, len(layers), 2):
            layers[number] = Alone()
        return networks

    (finding,) = audit_problem(replace(given, build=build), only=("parts_meet",)).findings
    assert (finding.code, finding.severity) == ("WP121", Severity.FAIL)


def test_a_norm_over_time_in_the_causal_network_is_found():
    given = enhancing(causal=True)

    class OverTime(nn.Module):
        def __init__(self, features: int) -> None:
            super().__init__()
            self.norm = nn.GroupNorm(1, features)

        def forward(self, x: Tensor) -> Tensor:
            return self.norm(x.movedim(-1, 1)).movedim(1, -1)

    def build() -> dict[str, nn.Module]:
        networks = dict(given.build())
        first = networks["model"].get_submodule("paths.layers.0")
        first.norm = OverTime(SIZES["tiny"].features)
        return networks

    (finding,) = audit_problem(replace(given, build=build), only=("future_leak",)).findings
    assert (finding.code, finding.severity) == ("WP214", Severity.FAIL)


@pytest.mark.slow
def test_the_whole_problem_is_green_by_evidence():
    recipe = EnhanceRecipe(model=SIZES["tiny"])
    audit = audit_problem(problem_of(Enhance(recipe)))
    assert audit.findings == ()
    assert torch.tensor(audit.numbers["overfit_to"]) > audit.numbers["overfit_from"]
