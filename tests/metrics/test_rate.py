"""Bitrates: what codes carry, and what a file takes."""

import numpy as np
import pytest

from wellposed.metrics.rate import Usage, actual_kbps, nominal_kbps, perplexity


def test_perplexity_is_the_number_of_equally_used_codes() -> None:
    assert perplexity(np.array([5, 5, 0, 5, 5])) == pytest.approx(4)
    assert perplexity(np.array([0, 7, 0])) == pytest.approx(1)
    assert perplexity(np.zeros(4, np.int64)) == 1
    # Half and two quarters: 1.5 bits.
    assert perplexity(np.array([2, 1, 1])) == pytest.approx(2**1.5)


def test_codes_that_are_all_used_alike_carry_their_nominal_rate() -> None:
    usage = Usage((1024, 1024))
    usage.add(np.stack([np.arange(4096) % 1024, np.zeros(4096, int)]))
    assert usage.effective_kbps(50, 1) == pytest.approx(0.5)
    assert usage.effective_kbps(50) == pytest.approx(0.5)
    assert nominal_kbps((1024, 1024), 50) == pytest.approx(1.0)
    assert usage.used() == (1024, 1)
    assert not usage.enough()


def test_absent_codes_are_not_counted_and_files_add_up() -> None:
    usage = Usage((4,))
    usage.add(np.array([[0, -1, 1]]))
    usage.add(np.array([[2, 3, -1]]))
    assert usage.perplexities() == pytest.approx((4,))
    assert usage.frames == 6


def test_fewer_stages_than_books_count_what_is_there() -> None:
    usage = Usage((4, 4))
    usage.add(np.array([[0, 1, 2, 3]]))
    assert usage.effective_kbps(50) == pytest.approx(0.1)


def test_a_file_of_750_bytes_a_second_has_six_kilobits() -> None:
    assert actual_kbps(7500, 10.0) == pytest.approx(6.0)
