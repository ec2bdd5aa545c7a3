"""Errors of places do not depend on the order in which sources are named."""

import math

import pytest
import torch
from torch.testing import assert_close

from wellposed.dsp.arrays.wavefront import Places
from wellposed.metrics.placing import between, ordered, placing


def wide(values) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64)


TRUTH = Places(wide([[-0.5, 0.1, 0.9]]), wide([[0.2, 0.0, -0.3]]), wide([[2.0, 3.0, 4.0]]))


@pytest.mark.parametrize("order", [[0, 1, 2], [2, 0, 1], [1, 0, 2]])
def test_the_order_of_the_estimates_does_not_matter(order):
    moved = TRUTH._replace(azimuth=TRUTH.azimuth + wide([0.01, -0.02, 0.03]))
    shuffled = Places(*(each[:, order] for each in moved))
    assert_close(torch.stack(tuple(ordered(shuffled, TRUTH))), torch.stack(tuple(moved)))
    found = placing(shuffled, TRUTH)
    assert_close(found.azimuth, wide([[0.01, -0.02, 0.03]]))
    assert_close(found.range, torch.zeros(1, 3).double())


def test_angles_between_directions_are_those_of_the_sphere():
    first = Places.of(wide([0.0, 0.4, 0.0]), wide([0.0, 0.0, math.pi / 2]))
    second = Places.of(wide([math.pi, 0.4 + 1e-9, 1.0]), wide([0.0, 0.0, 0.0]))
    assert_close(between(first, second), wide([math.pi, 1e-9, math.pi / 2]), rtol=1e-6, atol=1e-15)


def test_an_azimuth_error_is_never_more_than_half_a_turn():
    truth, found = Places.of(wide([[3.1]])), Places.of(wide([[-3.1]]))
    assert_close(placing(found, truth).azimuth, wide([[2 * math.pi - 6.2]]))
