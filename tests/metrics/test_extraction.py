"""Scores of extraction against hand-made cases."""

import numpy as np
import pytest

from wellposed.metrics.extraction import (
    absent_attenuation_db,
    confusion,
    equal_error,
    over_suppression,
)

RNG = np.random.default_rng(0)
TARGET, OTHER = RNG.standard_normal((2, 16000))


def test_attenuation_is_relative_to_the_mixture_and_ends_at_silence():
    assert absent_attenuation_db(0.1 * OTHER, OTHER).value == pytest.approx(20)
    assert absent_attenuation_db(1e-4 * OTHER, 1e-3 * OTHER).value == pytest.approx(20)
    assert absent_attenuation_db(0 * OTHER, OTHER).value == pytest.approx(100)
    assert absent_attenuation_db(OTHER, 0 * OTHER).value is None


def test_over_suppression_counts_frames_that_lost_nine_tenths_of_their_power():
    estimate = TARGET.copy()
    estimate[:3200] *= 0.3
    estimate[3200:8000] *= 0.33
    assert over_suppression(estimate, TARGET, 16000).value == pytest.approx(0.2)
    half = TARGET.copy()
    half[8000:] = 0
    assert over_suppression(0 * half, half, 16000).value == 1
    assert over_suppression(half, 0 * half, 16000).value is None


def test_whoever_is_nearest_is_who_was_extracted():
    assert confusion(TARGET + 0.5 * OTHER, TARGET, [OTHER]).value == 0
    assert confusion(0.5 * TARGET + OTHER, TARGET, [0 * OTHER, OTHER]).value == 1
    assert confusion(OTHER, TARGET, [OTHER]).value == 1
    assert confusion(TARGET, TARGET, []).value is None
    assert confusion(0 * TARGET, TARGET, [OTHER]).value is None


def test_the_equal_error_of_scores_that_are_apart_is_zero_half_way_between():
    assert equal_error([3.0, 5.0], [1.0, 2.0]) == (0.0, 2.5)


def test_the_equal_error_of_two_normal_distributions_is_that_of_theory():
    made = np.random.default_rng(1)
    rate, threshold = equal_error(
        made.normal(1, 1, 4000).tolist(), made.normal(-1, 1, 4000).tolist()
    )
    assert rate == pytest.approx(0.1587, abs=0.01)  # the normal distribution beyond one sigma
    assert threshold == pytest.approx(0, abs=0.1)


def test_the_equal_error_needs_both_kinds():
    with pytest.raises(ValueError, match="0 scores with, 1 without"):
        equal_error([], [1.0])
