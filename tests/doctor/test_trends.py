"""Slopes, agreement and noise, against closed forms, a second implementation and simulation."""

import math

import numpy as np
import pytest
from scipy import stats

from wellposed.doctor.trends import agreement, blocks, line, neumann, noise, trend


def test_a_line_is_that_of_scipy_where_neighbours_are_unlike():
    x = np.array([200.0, 210, 220, 230])
    y = np.log([1.327, 1.038, 0.746, 0.633])
    ours, theirs = line(x.tolist(), y.tolist()), stats.linregress(x, y)
    assert ours.slope == pytest.approx(theirs.slope, rel=1e-9)
    assert ours.p == pytest.approx(theirs.pvalue, rel=1e-6)
    assert ours.end == pytest.approx(theirs.intercept + 230 * theirs.slope, rel=1e-9)


def test_a_line_through_two_values_or_equal_places_claims_nothing():
    assert line([1, 2], [5, 9]).p == 1.0
    assert line([1, 1, 1], [5, 9, 7]).slope == 0.0
    assert line([1, 2, 3, 4], [2, 2, 2, 2]).p == 1.0
    assert line([1, 2, 3, 4], [1, 2, 3, 4]).p == 0.0


@pytest.mark.parametrize(("r", "most"), [(0.0, 0.02), (0.6, 0.05)])
def test_slopes_of_noise_are_seldom_called_so_even_if_neighbours_are_alike(r, most):
    draw = np.random.default_rng(1)
    white = draw.normal(size=(1000, 40))
    y = np.empty_like(white)
    y[:, 0] = white[:, 0]
    for i in range(1, 40):
        y[:, i] = r * y[:, i - 1] + math.sqrt(1 - r * r) * white[:, i]
    x = list(range(40))
    assert np.mean([line(x, row.tolist()).p < 0.01 for row in y]) <= most


def test_agreement_is_kendalls_exact_test():
    draw = np.random.default_rng(2)
    first, second = draw.normal(size=(2, 12))
    sign, chance = agreement(first.tolist(), (first + second).tolist())
    theirs = stats.kendalltau(first, first + second, method="exact")
    assert sign == np.sign(theirs.statistic)
    assert chance == pytest.approx(theirs.pvalue, rel=1e-9)


def test_ties_count_against_agreement():
    assert agreement([1, 1, 1, 1], [1, 2, 3, 4])[0] <= 0


def test_a_long_trend_is_that_of_its_block_means():
    assert blocks([1, 2, 3, 4, 5, 6], 3) == [1.5, 3.5, 5.5]
    assert blocks([1, 2], 3) == [1, 2]
    sign, chance = trend(list(range(1000, 0, -1)))
    assert sign == -1
    assert chance < 1e-50


def test_noise_is_that_of_one_value_whatever_the_curve():
    draw = np.random.default_rng(3)
    x = np.arange(300)
    y = 10 * (1 - np.exp(-x / 60)) + 0.2 * draw.normal(size=300)
    assert noise(y.tolist()) == pytest.approx(0.2, rel=0.15)
    assert noise([1, 2, 3, 4, 5]) == 0.0


def test_von_neumanns_ratio_is_two_for_noise_and_near_zero_for_a_trend():
    draw = np.random.default_rng(4)
    assert neumann(draw.normal(size=4000).tolist()) == pytest.approx(2, abs=0.1)
    assert neumann(list(range(100))) < 0.01
