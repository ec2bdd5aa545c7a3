"""Where the level settles, and the weight that holds it, from the objective alone."""

import math

import pytest
import torch

from wellposed.cli.audit_extract import audit_level
from wellposed.engine.recipe import changed
from wellposed.errors import RecipeError
from wellposed.guard.audit import Items
from wellposed.guard.audit.equilibrium import Equilibrium
from wellposed.guard.audit.terms import Objective
from wellposed.guard.findings import Severity
from wellposed.losses.extraction import squared_log_gain
from wellposed.systems.extract.recipe import ExtractRecipe

LITTLE = changed(
    ExtractRecipe(curriculum=()),
    {"scenes.rate": 8000, "scenes.seconds": 1.0, "scenes.present": 1,
     "scenes.partial": 0, "scenes.absent": 1,
     "scenes.enrol_seconds": [0.5, 1.0], "training.batch_size": 2, "loss.windows_ms": [32.0],
     "loss.anchor": 1.0},
    "test",
)  # fmt: skip


def test_the_weight_that_the_audit_names_holds_the_level():
    first = audit_level(LITTLE)
    weight = first.numbers["weight_that_holds_at_5_db"]
    assert first.numbers["level_at_5_db"] < 0.98
    assert weight > 1
    held = audit_level(changed(LITTLE, {"loss.anchor": weight}, "test"))
    assert held.numbers["level_at_5_db"] >= 0.98
    assert f"{weight:.2g} holds it within 2%" in held.text()


def test_the_formula_is_that_of_two_terms_alone():
    weight = audit_level(LITTLE).numbers["weight_by_formula"]
    settles = math.exp(-8.686 * LITTLE.loss.absent / (2 * weight))
    assert settles == pytest.approx(0.98, abs=1e-3)


def test_raw_decibels_against_an_anchor_settle_where_the_formula_says():
    """Means over the items of a class in batches of 2, a fifth of them absent: a gain of 0.850."""
    speech, other = torch.randn(2, 4, 800, generator=torch.Generator().manual_seed(0))
    items = {
        "present": Items(speech, speech, share=0.8),
        "absent": Items(other, 0 * other, share=0.2),
    }

    def of(kind):
        if kind == "present":
            # As published, with the logarithm down to 0.05: nothing else holds raw decibels.
            return lambda estimate, items: {
                "anchor": squared_log_gain(estimate, items.reference, 0.05)
            }
        return lambda estimate, items: {"absent": 10 * estimate.square().mean(-1).log10()}

    objective = Objective(of, {"anchor": 1.0, "absent": 0.1}, items, per="kind", batch_size=2)
    present, absent = 1 - 0.2**2, 1 - 0.8**2
    wanted = math.exp(-8.686 * absent * 0.1 / (2 * present))
    assert wanted == pytest.approx(0.850, abs=1e-3)
    assert Equilibrium(objective).settle().best == pytest.approx(wanted, rel=0.01)


def test_an_objective_that_rewards_silence_fails():
    poor = {"loss.anchor": 0.0, "loss.snr": 0.001, "loss.spectrum": 0.0, "loss.absent": 1.0}
    audit = audit_level(changed(LITTLE, poor, "test"))
    assert audit.codes(Severity.FAIL) == {"WP101"}


def test_a_recipe_with_one_kind_of_scenes_has_nothing_to_weigh_up():
    with pytest.raises(RecipeError, match="no scenes with and without"):
        audit_level(changed(LITTLE, {"scenes.absent": 0}, "test"))
