"""Hits: every estimate one source at most, as many as can be, whatever the order."""

import math

import pytest
import torch

from wellposed.dsp.arrays.wavefront import Places
from wellposed.metrics.detection import Detection, detection


def places_of(azimuth_deg, away=None) -> Places:
    azimuth = torch.deg2rad(torch.tensor(azimuth_deg, dtype=torch.float64))
    away = [math.inf] * len(azimuth) if away is None else away
    return Places(azimuth, torch.zeros_like(azimuth), torch.tensor(away, dtype=torch.float64))


def test_two_estimates_of_one_source_are_one_hit():
    made = detection(places_of([9.0, 11.0]), places_of([10.0]))
    assert (made.hits, made.found, made.there) == (1, 2, 1)
    assert made.precision == 0.5
    assert made.recall == 1.0
    assert made.f1 == pytest.approx(2 / 3)


def test_as_many_are_hit_as_can_be():
    # The nearest pair first would take 4 for 3 and leave 0 without an estimate.
    made = detection(places_of([4.0, 8.0]), places_of([0.0, 5.0]))
    assert made.hits == 2
    assert made.pairs == ((0, 0), (1, 1))


def test_the_range_must_be_right_as_well():
    truth = places_of([0.0, 20.0], [2.0, 5.0])
    assert detection(places_of([20.0, 0.0], [5.5, 3.5]), truth).pairs == ((0, 1),)


def test_the_order_does_not_matter():
    truth = places_of([0.0, 20.0, -30.0], [2.0, 5.0, 1.0])
    found = places_of([21.0, -29.0, 1.0, 50.0], [5.0, 1.2, 2.5, 1.0])
    turned = Places(*(each.flip(0) for each in found))
    assert detection(found, truth).hits == detection(turned, truth).hits == 3


def test_nothing_found_is_precise_and_finds_nothing():
    made = detection(places_of([]), places_of([1.0]))
    assert (made.precision, made.recall, made.f1) == (1.0, 0.0, 0.0)
    assert detection(places_of([]), places_of([])).f1 == 1.0


def test_scenes_add_up():
    assert (Detection(1, 2, 3) + Detection(2, 2, 2)).f1 == pytest.approx(6 / 9)
