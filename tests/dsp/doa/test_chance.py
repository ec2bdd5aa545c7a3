"""False alarms come at the rate that was declared, and sources at the rate that they allow."""

import math

import pytest
import torch

from wellposed.dsp.arrays.geometry import line
from wellposed.dsp.arrays.sensors import Array
from wellposed.dsp.arrays.wavefront import Places
from wellposed.dsp.doa.chance import exceeded, penalties, share_by_chance, volume
from wellposed.dsp.doa.grids import Grid
from wellposed.dsp.power import power

LINE = Array(line(8, 0.5), 1.0)
GRID = Grid.of(torch.linspace(-1.5, 1.5, 301, dtype=torch.float64))


def white(*shape: int) -> torch.Tensor:
    made = torch.Generator().manual_seed(1)
    return torch.view_as_complex(torch.randn(*shape, 2, generator=made, dtype=torch.float64))


def test_the_volume_of_a_line_is_the_length_of_its_curve():
    """|P a'| / |a| = k d sqrt((N^2 - 1) / 12) cos(azimuth)."""
    wanted = 2 * math.pi * 0.5 * math.sqrt(63 / 12) * 2 * math.sin(1.5)
    assert volume(LINE, GRID, ("azimuth",)) == pytest.approx(wanted, rel=5e-3)


@pytest.mark.parametrize("snapshots", [1, 3, 40])
def test_noise_alone_explains_more_than_the_threshold_as_often_as_declared(snapshots):
    rate, draws = 0.05, 3000
    size = volume(LINE, GRID, ("azimuth",))
    share = share_by_chance(rate, 8 * snapshots, snapshots, size, 1)
    noise = white(draws, 8, snapshots)
    response = LINE.response(GRID.places) / math.sqrt(8)
    best = power(noise.mH @ response).sum(-2).amax(-1) / power(noise).sum((-2, -1))
    found = float((best > share).double().mean())
    spread = math.sqrt(rate / draws)
    # The expected number of excursions is above the chance of one, by little at such rates.
    assert 0.7 * rate - 3 * spread < found < rate + 3 * spread


def test_beside_a_source_the_rate_is_kept():
    rate, draws, snapshots = 0.05, 2000, 10
    there = Places.of(torch.tensor([0.2], dtype=torch.float64))
    response = LINE.response(GRID.places)
    known = LINE.response(there) / math.sqrt(8)
    left, across = (each - known @ (known.mH @ each) for each in (white(draws, 8, 10), response))
    energy = power(across).sum(-2)
    keep = energy > 0.5
    share = share_by_chance(rate, 7 * snapshots, snapshots, volume(LINE, GRID, ("azimuth",)), 1)
    best = power(left.mH @ (across / energy.sqrt())[:, keep]).sum(-2).amax(-1)
    found = float((best / power(left).sum((-2, -1)) > share).double().mean())
    assert found < rate + 3 * math.sqrt(rate / draws)


def test_the_threshold_is_where_the_chance_is_the_rate_and_penalties_add_up():
    share = share_by_chance(0.01, 80, 10, 14.0, 1)
    assert exceeded(share, 80, 10, 14.0, 1) == pytest.approx(0.01, rel=1e-6)
    made = penalties(0.01, 8, 10, 14.0, 1, 7)
    assert made[0] == 0
    assert made[1] == pytest.approx(-160 * math.log1p(-share))
    assert bool((made.diff() > 0).all())
    # Seven of eight sensors are gone: what is left of one is explained by any place.
    assert share_by_chance(0.01, 10, 10, 14.0, 1) == 1.0
