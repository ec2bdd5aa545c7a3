"""Chance: tails and quantiles against SciPy, coverage and the rule for extremes by simulation."""

import math
import random

import pytest
import scipy.stats

from wellposed.guard import chance


@pytest.mark.parametrize("freedom", [1, 2, 7, 30, 400])
@pytest.mark.parametrize("probability", [0.6, 0.9, 0.99, 0.99999])
def test_the_quantile_of_student_is_that_of_scipy(probability: float, freedom: int):
    wanted = scipy.stats.t.ppf(probability, freedom)
    assert chance.student_quantile(probability, freedom) == pytest.approx(wanted, rel=1e-9)


@pytest.mark.parametrize("trials", [5, 50, 3000])
@pytest.mark.parametrize("probability", [0.001, 0.3, 0.9])
def test_the_binomial_tail_is_that_of_scipy(trials: int, probability: float):
    for hits in (0, 1, 2, trials // 2, trials):
        wanted = scipy.stats.binom.sf(hits - 1, trials, probability)
        assert chance.binomial_tail(hits, trials, probability) == pytest.approx(wanted, abs=1e-11)


def test_impossible_hits_have_no_probability():
    assert chance.binomial_tail(1, 10, 0.0) == 0
    assert chance.binomial_tail(11, 10, 0.5) == 0


def test_the_sign_test_is_that_of_scipy_and_a_tie_is_no_evidence():
    for positive, negative in [(0, 0), (3, 3), (9, 1), (0, 12), (20, 31)]:
        n = positive + negative
        wanted = scipy.stats.binomtest(positive, n, 0.5).pvalue if n else 1.0
        assert chance.sign_test(positive, negative) == pytest.approx(wanted, rel=1e-9)


def test_an_interval_misses_its_mean_as_often_as_it_says():
    draws = random.Random(0)
    missed = 0
    for _ in range(2000):
        interval = chance.mean_interval([draws.gauss(3, 2) for _ in range(6)], 0.1)
        missed += not interval.low <= 3 <= interval.high
    # Standard deviation of the share: 0.0067; four of them.
    assert missed / 2000 == pytest.approx(0.1, abs=0.027)


def test_one_value_has_an_interval_without_ends():
    assert chance.mean_interval([1.0], 0.05) == chance.Interval(1.0, -math.inf, math.inf, 1)


@pytest.mark.parametrize("probability", [0.4, 1.0])
def test_a_quantile_outside_its_range_is_refused(probability: float):
    with pytest.raises(ValueError, match="wanted"):
        chance.student_quantile(probability, 3)


def test_extremes_are_exceeded_about_as_often_as_budgeted():
    draws = random.Random(1)
    exceeded, runs = 0, 200
    for _ in range(runs):
        limit = chance.extreme_threshold([draws.gauss(0, 1) for _ in range(1000)], 1.0, 500)
        exceeded += sum(draws.gauss(0, 1) > limit for _ in range(500))
    # One per run in expectation; Gaussian tails are lighter than the exponential assumed.
    assert 0.1 < exceeded / runs < 1.5


def test_few_values_have_no_extremes():
    assert chance.extreme_threshold([0.0] * 199, 0.01, 100) == math.inf
