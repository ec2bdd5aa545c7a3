"""Losses of extraction against their formulas, and the failures that they must not have."""

import math

import pytest
import torch
from torch.testing import assert_close

from wellposed.losses.extraction import soft_error_db, squared_log_gain

MADE = torch.Generator().manual_seed(0)
SPEECH, OTHER = torch.randn(2, 4, 2000, generator=MADE, dtype=torch.float64)


def slope_per_neper(gain: float) -> float:
    """Slope of the leak per neper of gain, for a mixture that passes at `gain`."""
    ln = torch.tensor(math.log(gain), dtype=torch.float64, requires_grad=True)
    soft_error_db(ln.exp() * OTHER, 0 * OTHER, OTHER).mean().backward()
    assert ln.grad is not None
    return float(ln.grad)


@pytest.mark.parametrize(("db", "slope"), [(0, 8.68), (-20, 7.90), (-40, 0.79), (-60, 0.009)])
def test_the_pull_to_silence_ends_by_itself(db, slope):
    assert slope_per_neper(10 ** (db / 20)) == pytest.approx(slope, rel=0.05)


def test_what_leaks_is_counted_relative_to_the_mixture_at_any_level():
    passed = soft_error_db(OTHER, 0 * OTHER, OTHER)
    assert (passed > 30).all()
    assert_close(soft_error_db(1e-3 * OTHER, 0 * OTHER, 1e-3 * OTHER), passed, rtol=1e-3, atol=0)
    assert not soft_error_db(0 * OTHER, 0 * OTHER, OTHER).any()


def test_the_gain_is_that_of_the_reference_and_not_a_ratio_of_levels():
    """At an SI-SDR of -0.98 dB a ratio of levels of 0.881 is a gain of 0.587."""
    residual = (
        OTHER
        - (OTHER * SPEECH).sum(-1, keepdim=True) / SPEECH.square().sum(-1, keepdim=True) * SPEECH
    )
    residual *= (SPEECH.square().sum(-1) / residual.square().sum(-1)).sqrt()[:, None]
    gain = 0.881 / math.sqrt(1 + 10 ** (0.98 / 10))
    estimate = gain * (SPEECH + 10 ** (0.98 / 20) * residual)
    levels = (estimate.square().mean(-1) / SPEECH.square().mean(-1)).sqrt()
    assert_close(levels, torch.full_like(levels, 0.881))
    assert gain == pytest.approx(0.587, abs=1e-3)
    assert_close(squared_log_gain(estimate, SPEECH), torch.full_like(levels, math.log(gain) ** 2))


def slope_at(gain: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Values, and their slopes over the gain."""
    scale = torch.full((len(SPEECH), 1), gain, requires_grad=True)
    values = squared_log_gain(scale * SPEECH, SPEECH)
    values.sum().backward()
    assert scale.grad is not None
    return values.detach(), scale.grad[:, 0]


@pytest.mark.parametrize("gain", [0.01, 0.05, 0.3, 0.499])
def test_a_target_that_is_nearly_lost_pulls_no_harder_than_one_at_half_its_level(gain):
    values, slope = slope_at(gain)
    assert_close(slope, torch.full_like(slope, 2 * math.log(0.5) / 0.5))
    assert (values > math.log(0.5) ** 2).all()
    assert (values < math.log(gain) ** 2).all()


def test_the_anchor_is_smooth_where_its_tangent_begins():
    (below, down), (above, up) = slope_at(0.5 - 1e-4), slope_at(0.5 + 1e-4)
    assert_close(below, above, rtol=0, atol=1e-3)
    assert_close(down, up, rtol=1e-3, atol=0)


def test_an_inverted_target_is_left_alone_by_the_anchor():
    values, slope = slope_at(-1.0)
    nothing, _ = slope_at(0.0)
    assert_close(values, nothing)
    assert not slope.any()
