"""The sequential test: its error rates by simulation, its bets by their definition."""

import math
import random

import pytest

from wellposed.engine.explain.evidence import (
    LEVEL,
    Wealth,
    log_e,
    share_interval,
    smallest_acquittal,
    smallest_conviction,
)

PAIRS = 30
RUNS = 4000


def errors(rate: float, alike: float, suspects: int, seed: int = 0) -> float:
    """Share of runs that convict an intervention which does nothing, looked at after every pair.

    `alike`: how often the two of a pair get the same answer by sharing their randomness.
    """
    draws, wrong = random.Random(seed), 0
    for _ in range(RUNS):
        wealth = Wealth()
        for _ in range(PAIRS):
            control = draws.random() < rate
            treated = control if draws.random() < alike else draws.random() < rate
            wealth.see(control, treated)
            if wealth.convicts(suspects):
                wrong += 1
                break
    return wrong / RUNS


@pytest.mark.parametrize("rate", [0.1, 0.3, 0.5, 0.7, 0.9, 0.97])
@pytest.mark.parametrize("alike", [0.0, 0.5])
def test_what_does_nothing_is_convicted_less_often_than_the_level(rate, alike):
    assert errors(rate, alike, suspects=1) <= LEVEL


def convicted_in_two_looks(level: float, suspects: int, rate: float, seed: int) -> float:
    """Share of explanations in which one of several suspects that do nothing is convicted.

    All have their controls in common, and each look has pairs of its own.
    """
    draws, wrong = random.Random(seed), 0
    for _ in range(RUNS // 2):
        for _look in range(2):
            wealths = [Wealth() for _ in range(suspects)]
            for _ in range(12):
                control = draws.random() < rate
                for wealth in wealths:
                    wealth.see(control, draws.random() < rate)
                if any(wealth.convicts(suspects, level) for wealth in wealths):
                    break
            else:
                continue
            wrong += 1
            break
    return wrong / (RUNS // 2)


@pytest.mark.parametrize("rate", [0.5, 0.8, 0.95])
@pytest.mark.parametrize("suspects", [1, 6])
def test_two_looks_together_convict_what_does_nothing_less_often_than_the_level(rate, suspects):
    assert convicted_in_two_looks(LEVEL / 2, suspects, rate, seed=3) <= LEVEL


def test_a_fair_bet_that_is_looked_at_twice_wins_twice_as_often_unless_the_level_is_shared():
    draws = random.Random(5)

    def wins(level: float) -> bool:
        # A bet on a fair coin that stakes all until it has won 1 / level: it comes to it with a
        # chance of exactly `level` where that is a power of two.
        return all(draws.random() < 0.5 for _ in range(round(math.log2(1 / level))))

    share = {
        level: sum(wins(level) or wins(level) for _ in range(20 * RUNS)) / (20 * RUNS)
        for level in (1 / 16, 1 / 32)
    }
    assert share[1 / 16] > 1.8 / 16
    assert share[1 / 32] <= 1 / 16


def test_half_of_the_level_takes_twice_the_wealth():
    assert smallest_conviction(8, LEVEL / 2) == smallest_conviction(16)
    assert smallest_acquittal(LEVEL / 2) >= smallest_acquittal()


def test_many_suspects_share_the_level():
    assert errors(0.5, 0.0, suspects=10) <= LEVEL / 10 + 3 * math.sqrt(LEVEL / 10 / RUNS)


@pytest.mark.parametrize("removes", [0.5, 0.7, 0.95])
def test_what_removes_the_symptom_is_acquitted_less_often_than_the_level(removes):
    draws, wrong = random.Random(1), 0
    for _ in range(RUNS):
        wealth = Wealth()
        for _ in range(PAIRS):
            wealth.see(control=True, treated=draws.random() >= removes)
            if wealth.acquits():
                wrong += 1
                break
    assert wrong / RUNS <= LEVEL


def test_the_bet_is_fair_when_both_rates_are_equal():
    for rate in (0.1, 0.5, 0.9):
        for p, q in ((0.95, 0.05), (0.7, 0.3), (0.6, 0.5)):
            mean = sum(
                (rate if y else 1 - rate) * (rate if z else 1 - rate) * math.exp(log_e(p, q, y, z))
                for y in (True, False)
                for z in (True, False)
            )
            assert mean <= 1 + 1e-12


def test_a_clear_cause_needs_four_pairs_among_eight_and_a_clear_innocent_five():
    assert smallest_conviction(1) == 3
    assert smallest_conviction(8) == 4
    assert smallest_conviction(16) == 5
    assert smallest_acquittal() == 5


def test_a_cause_is_found_although_some_replays_go_the_other_way():
    draws, found = random.Random(2), 0
    for _ in range(500):
        wealth = Wealth()
        for _ in range(12):
            wealth.see(draws.random() < 0.95, draws.random() < 0.1)
        found += wealth.convicts(8)
    assert found > 425


def test_controls_that_show_nothing_prove_nothing():
    wealth = Wealth()
    for _ in range(20):
        wealth.see(control=False, treated=False)
    assert not wealth.convicts(1)
    assert not wealth.acquits()
    assert math.isnan(wealth.share)
    assert wealth.interval() == pytest.approx((0.0, 1.0), abs=1e-9)


@pytest.mark.parametrize("rate", [0.0, 0.1, 0.5, 1.0])
def test_the_interval_of_the_share_holds_at_all_times(rate):
    draws, missed = random.Random(3), 0
    for _ in range(300):
        ones = zeros = 0
        for _ in range(20):
            one = draws.random() < rate
            ones, zeros = ones + one, zeros + (not one)
            low, high = share_interval(ones, zeros)
            if not low - 1e-9 <= rate <= high + 1e-9:
                missed += 1
                break
    assert missed / 300 <= LEVEL


def test_the_interval_narrows_and_holds_the_share():
    wide, narrow = share_interval(4, 1), share_interval(40, 10)
    assert wide[0] < narrow[0] < 0.8 < narrow[1] < wide[1]
