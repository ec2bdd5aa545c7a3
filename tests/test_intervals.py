"""Coverage by simulation, exactness on constants, and where there is no interval."""

import math

import numpy as np
import pytest
from scipy import stats

from wellposed.intervals import mean_interval, paired_interval


def coverage(draw, trials: int, n: int) -> float:
    """Share of intervals that hold the true mean 0."""
    rng = np.random.default_rng(0)
    intervals = [mean_interval(draw(rng, n), rng, resamples=1000) for _ in range(trials)]
    return float(np.mean([interval.low <= 0 <= interval.high for interval in intervals]))


@pytest.mark.parametrize("n", [10, 18, 40])
def test_95_percent_of_intervals_hold_the_mean_of_normal_values(n):
    trials = 1000
    spread = math.sqrt(0.95 * 0.05 / trials)
    found = coverage(lambda rng, n: rng.standard_normal(n), trials, n)
    # Three standard errors of a binomial share, and 0.5 % for the 1000 resamples.
    assert abs(found - 0.95) < 3 * spread + 0.005


def test_skewed_values_are_covered_nearly_as_well_at_40_values():
    # The mean of 40 exponential values is itself skewed; 92 to 94 % is what simulation gives.
    assert coverage(lambda rng, n: rng.exponential(size=n) - 1, 600, 40) > 0.90


def test_for_many_normal_values_the_interval_is_students():
    data = np.random.default_rng(1).standard_normal(400)
    low, high = stats.t.interval(0.95, 399, data.mean(), stats.sem(data))
    interval = mean_interval(data, np.random.default_rng(2), resamples=20_000)
    # Standard error of a 2.5 % quantile: sqrt(p q / R) / density = 0.019 of the 0.05 that is the
    # standard error of the mean, so 0.001.
    assert interval.low == pytest.approx(low, abs=0.004)
    assert interval.high == pytest.approx(high, abs=0.004)
    assert interval.mean == pytest.approx(data.mean(), abs=1e-12)


@pytest.mark.parametrize("constant", [0.1, -3.7, 1e9, 0.0])
@pytest.mark.parametrize("n", [2, 7, 100])
def test_equal_values_have_their_own_value_as_an_interval_exactly(constant, n):
    interval = mean_interval([constant] * n, np.random.default_rng(0))
    assert (interval.mean, interval.low, interval.high) == (constant, constant, constant)


def test_a_constant_gain_on_scattered_pairs_is_certain():
    before = np.random.default_rng(3).integers(-20, 20, 30).astype(float)
    interval = paired_interval(before + 2.0, before, np.random.default_rng(4))
    assert (interval.mean, interval.low, interval.high) == (2.0, 2.0, 2.0)


def test_the_paired_interval_is_that_of_the_differences():
    rng = np.random.default_rng(5)
    first, second = rng.standard_normal(20), rng.standard_normal(20)
    assert paired_interval(first, second, np.random.default_rng(6)) == mean_interval(
        first - second, np.random.default_rng(6)
    )


def test_one_value_has_no_interval_and_says_so():
    interval = mean_interval([2.5], np.random.default_rng(0))
    assert (interval.mean, interval.n) == (2.5, 1)
    assert math.isnan(interval.low)
    assert math.isnan(interval.high)
    assert interval.note == "one value has no interval"


def test_no_value_has_no_mean_and_says_so():
    interval = mean_interval([], np.random.default_rng(0))
    assert math.isnan(interval.mean)
    assert (interval.n, interval.note) == (0, "no value")


def test_few_values_are_marked_and_lie_within_their_range():
    interval = mean_interval([1.0, 2.0, 4.0], np.random.default_rng(0))
    assert interval.note == "too narrow: only 3 values"
    assert (interval.low, interval.high) == (1.0, 4.0)


def test_the_generator_alone_decides_and_memory_blocks_do_not_matter(monkeypatch):
    data = np.random.default_rng(7).standard_normal(50)
    first = mean_interval(data, np.random.default_rng(8))
    assert mean_interval(data, np.random.default_rng(8)) == first
    monkeypatch.setattr("wellposed.intervals._AT_ONCE", 700)
    assert mean_interval(data, np.random.default_rng(8)) == first


def test_undefined_values_must_be_counted_before():
    with pytest.raises(AssertionError, match="count them"):
        mean_interval([1.0, math.nan], np.random.default_rng(0))
