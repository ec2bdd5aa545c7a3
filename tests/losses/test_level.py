"""The distance of levels: closed forms."""

import math

import pytest
import torch

from wellposed.losses.level import FLOOR, level_distance

WAVE = torch.randn(2, 4000, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
UNIT = WAVE / WAVE.square().mean(-1, keepdim=True).sqrt()


@pytest.mark.parametrize("gain_db", [-40.0, -10.0, -1.0, 0.5, 20.0])
def test_a_gain_costs_its_decibels_over_ten(gain_db: float):
    gain = 10 ** (gain_db / 20)
    wanted = abs(math.log10((gain**2 + FLOOR) / (1 + FLOOR)))
    assert level_distance(gain * UNIT, UNIT).tolist() == pytest.approx([wanted] * 2, rel=1e-9)
    if gain_db > -20:
        assert wanted == pytest.approx(abs(gain_db) / 10, rel=0.01)


def test_silence_where_silence_is_wanted_is_free_and_residue_below_the_floor_nearly_so():
    silent = torch.zeros_like(UNIT)
    assert level_distance(silent, silent).tolist() == [0.0, 0.0]
    # -50 dB against the floor of -30 dB: log10(1.01).
    assert level_distance(10 ** (-50 / 20) * UNIT, silent).tolist() == pytest.approx(
        [math.log10(1.01)] * 2, rel=1e-9
    )
