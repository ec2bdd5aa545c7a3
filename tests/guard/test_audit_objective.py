"""Objectives of several terms: who pulls, where the level settles, and for whom."""

import math

import pytest
import torch
from reported_losses import detached, energy_db, l1, log_amplitude, mse, relu_energy, si_sdr
from torch import Tensor

from wellposed.guard import Audit, Items, Severity, audit_objective
from wellposed.guard.audit import Probes
from wellposed.guard.audit.probes import rms
from wellposed.guard.audit.terms import Objective, as_terms, pulls

PROBES = Probes.synthetic(0)


def absent(spread_db: float, level_db: float = -28.0, items: int = 32) -> Tensor:
    """Outputs on silent targets: noise whose levels are quantiles of a normal distribution."""
    noise = torch.randn(items, 2000, generator=torch.Generator().manual_seed(1))
    quantile = torch.special.ndtri((torch.arange(items) + 0.5) / items)[:, None]
    return noise / rms(noise) * 10 ** ((level_db + spread_db * quantile) / 20)


def floored_energy(estimate: Tensor, reference: Tensor) -> Tensor:
    return energy_db(estimate).clamp(min=-40)


TERMS = {"content": si_sdr, "raw": floored_energy, "hinge": relu_energy, "level": log_amplitude}
APPLIES = {"content": ("present",), "level": ("present",), "raw": ("absent",), "hinge": ("absent",)}


def settled(weights: dict[str, float], spread_db: float = 5.0, batch_size: int = 2) -> Audit:
    silent = absent(spread_db)
    items = {
        "present": Items(PROBES.noisy(20.0), PROBES.reference, share=0.8),
        "absent": Items(silent, torch.zeros_like(silent), share=0.2),
    }
    return audit_objective(
        TERMS, weights, items, applies=APPLIES, per="kind", batch_size=batch_size
    )


def test_raw_energy_of_silent_targets_leaves_no_level_but_the_lowest():
    made = settled({"content": 0.9, "raw": 0.1})
    assert made.codes(Severity.FAIL) == {"WP101", "WP203"}
    assert made.numbers["as_good_to"] == pytest.approx(0.08, rel=0.25)


def test_a_hinge_on_that_energy_leaves_every_level_below_a_quarter_as_good():
    made = settled({"content": 0.9, "hinge": 0.1}, spread_db=4.0)
    assert made.codes(Severity.FAIL) == {"WP101", "WP203"}
    # -28 dB, the loudest 9 dB above, and the hinge at -30: -11 dB, 0.28, in steps of a third.
    assert 0.21 < made.numbers["as_good_to"] < 0.37


@pytest.mark.parametrize("spread_db", [2.0, 5.0, 10.0])
def test_with_a_level_term_the_predicted_level_is_the_one_that_was_observed(spread_db: float):
    # The run ended between 0.876 and 0.909, over 162 validations.
    made = settled({"content": 0.9, "hinge": 0.1, "level": 1.0}, spread_db)
    assert not made.findings
    assert made.numbers["predicted_level"] == pytest.approx(0.90, abs=0.03)


def test_larger_batches_of_kind_means_give_the_rare_kind_more_weight():
    # 1 - 0.8 ** B against 1 - 0.2 ** B: 0.2 : 0.8 for one item, 1 : 1 for very many.
    levels = settled({"content": 0.9, "hinge": 0.1, "level": 1.0}).numbers["level_by_batch_size"]
    assert levels["1"] > levels["2"] > levels["8"] > levels["32"] - 1e-9


def test_the_settled_gain_is_where_two_squares_balance():
    # 0.5 (g - 1)^2 |s|^2 + 0.5 g^2 |s|^2 is least at g = 1/2.
    signal = PROBES.reference
    items = {
        "present": Items(signal, signal, share=0.5),
        "absent": Items(signal, torch.zeros_like(signal), share=0.5),
    }
    made = audit_objective({"mse": mse}, {"mse": 1.0}, items)
    assert made.numbers["settles_at_gain"] == pytest.approx(0.5, rel=0.02)


def test_forces_are_the_slopes_of_the_objective():
    signal, noisy = PROBES.reference, PROBES.noisy(10.0)
    items = {"all": Items(noisy, signal)}
    objective = Objective(as_terms({"mse": mse}, {}), {"mse": 2.0}, items)
    force = pulls(objective, "all", noisy)["mse"]
    # 2 mse falls to zero on the way to the reference with slope 2 * 2 mse at its start.
    assert force["to_reference"] == pytest.approx(4 * float(mse(noisy, signal)), rel=1e-4)
    step = 1e-3
    louder = 10 ** (step / 20)
    change = 2 * float(mse(louder * noisy.double(), signal) - mse(noisy.double(), signal))
    assert force["louder_per_db"] == pytest.approx(-change / step, rel=1e-2)
    bands = [value for key, value in force.items() if key.endswith("hz_per_db")]
    assert sum(bands) == pytest.approx(force["louder_per_db"], rel=1e-3)


def test_shares_of_a_heavy_term_are_a_curve_over_the_points():
    items = {"all": Items(PROBES.noisy(0.0), PROBES.reference)}
    made = audit_objective({"l1": l1, "mse": mse}, {"l1": 1.0, "mse": 20.0}, items)
    forces = made.numbers["forces"]
    shares = [forces[f"all, {point}, mse"]["share"] for point in ("as given", "half way", "near")]
    # The gradient of squares shrinks with the error, that of absolute values does not.
    assert shares[0] > 0.6
    assert shares[0] > shares[1] > shares[2]
    assert shares[2] < 0.3


def test_a_term_that_outvotes_the_way_to_the_reference_is_named():
    def quiet(estimate: Tensor, reference: Tensor) -> Tensor:
        return energy_db(estimate)

    items = {"all": Items(0.5 * PROBES.reference, PROBES.reference)}
    made = audit_objective({"l1": l1, "quiet": quiet}, {"l1": 1.0, "quiet": 1.0}, items)
    found = next(f for f in made.findings if f.code == "WP204")
    assert found.evidence["subject"] == "quiet"


def test_a_weighted_term_without_a_way_to_the_estimate_is_named():
    items = {"all": Items(PROBES.noisy(20.0), PROBES.reference)}
    made = audit_objective({"l1": l1, "gone": detached}, {"l1": 1.0, "gone": 0.5}, items)
    assert {f.code for f in made.findings} == {"WP106"}
    assert not audit_objective({"l1": l1}, {"l1": 1.0}, items).findings


def test_another_default_of_a_weight_in_validation_is_found_and_named():
    items = {"all": Items(PROBES.noisy(20.0), PROBES.reference)}
    terms, weights = {"l1": l1, "mse": mse}, {"l1": 1.0, "mse": 0.1}
    same = audit_objective(terms, weights, items, validation=(terms, weights))
    other = audit_objective(terms, weights, items, validation=(terms, weights | {"mse": 0.2}))
    assert not same.findings
    assert [f.code for f in other.findings] == ["WP208"]
    assert other.findings[0].evidence["subject"] == "mse"


def test_one_function_for_all_terms_sees_the_source():
    def terms(estimate: Tensor, items: Items) -> dict[str, Tensor]:
        assert items.source is not None
        return {"l1": (estimate - items.reference).abs().mean() / items.source.std()}

    noisy = PROBES.noisy(0.0)
    made = audit_objective(terms, {"l1": 1.0}, {"all": Items(noisy, PROBES.reference, noisy)})
    assert made.numbers["settles_at_gain"] < 1  # a noisy estimate costs less when quieter
    assert not math.isnan(made.numbers["predicted_level"])


@pytest.mark.parametrize("wrong", [{"weights": {"l2": 1.0}}, {"per": "batch"}, {"items": {}}])
def test_objectives_that_cannot_be_asked_are_refused(wrong):
    items = {"all": Items(PROBES.noisy(0.0), PROBES.reference)}
    arguments = {"terms": {"l1": l1}, "weights": {"l1": 1.0}, "items": items} | wrong
    with pytest.raises(ValueError, match=r"weight|per|kind"):
        audit_objective(**arguments)


def test_doubt_about_a_poor_estimate_is_a_warning_and_no_fault_of_the_objective():
    # |g (s + n) - s|^2 is least at g = 1 / (1 + |n|^2 / |s|^2).
    items = {"all": Items(PROBES.noisy(-5.0), PROBES.reference)}
    made = audit_objective({"mse": mse}, {"mse": 1.0}, items)
    assert made.numbers["settles_at_gain"] == pytest.approx(1 / (1 + 10**0.5), rel=0.02)
    assert {(f.code, f.severity) for f in made.findings} == {("WP111", Severity.WARN)}
