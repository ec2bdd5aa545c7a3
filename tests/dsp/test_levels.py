"""Levels: decibels, and a running mean of finite memory against a loop."""

import pytest
import torch
from torch.testing import assert_close

from wellposed.dsp.levels import continued_mean, power_db, running_mean


@pytest.mark.parametrize(("length", "lookahead"), [(1, 0), (4, 0), (5, 2), (5, 4), (9, 3)])
@pytest.mark.parametrize("frames", [1, 3, 20])
def test_the_running_mean_is_the_mean_of_the_frames_that_exist(
    length: int, lookahead: int, frames: int
):
    made = torch.Generator().manual_seed(length)
    values = torch.rand(2, frames, generator=made, dtype=torch.float64)
    wanted = torch.empty_like(values)
    for t in range(frames):
        first, last = max(0, t + lookahead - length + 1), min(frames - 1, t + lookahead)
        wanted[:, t] = sum(values[:, u] for u in range(first, last + 1)) / (last - first + 1)
    assert_close(running_mean(values, length, lookahead), wanted)


@pytest.mark.parametrize(("length", "lookahead"), [(6, 0), (6, 2)])
def test_a_frame_is_forgotten_without_a_trace_after_the_window(length: int, lookahead: int):
    values = torch.rand(1, 40, generator=torch.Generator().manual_seed(0))
    other = values.clone()
    other[0, 20] = 1e6
    difference = running_mean(other, length, lookahead) != running_mean(values, length, lookahead)
    reached = range(20 - lookahead, 20 - lookahead + length)
    assert difference[0].nonzero().flatten().tolist() == list(reached)


def test_a_constant_is_its_own_running_mean_to_the_edges():
    assert torch.equal(running_mean(torch.full((1, 30), 0.25), 8, 3), torch.full((1, 30), 0.25))


def test_decibels_of_power_are_ten_times_the_logarithm():
    powers = torch.tensor([100.0, 1.0, 0.5, 0.0], dtype=torch.float64)
    wanted = [20.0, 0.0, -3.010299956639812, float("-inf")]
    assert power_db(powers).tolist() == pytest.approx(wanted)


@pytest.mark.parametrize("length", [1, 2, 5, 250])
@pytest.mark.parametrize("pieces", [[1] * 23, [3, 7, 1, 12], [23]])
def test_a_mean_continued_piece_by_piece_is_that_of_the_whole_bit_for_bit(
    length: int, pieces: list[int]
):
    values = torch.rand(2, 23, generator=torch.Generator().manual_seed(1))
    state = torch.zeros(2, length - 1), torch.zeros(2, 1)
    means = []
    for piece in values.split(pieces, dim=1):
        mean, state = continued_mean(piece, *state)
        means.append(mean)
    assert_close(torch.cat(means, 1), running_mean(values, length, 0), rtol=0, atol=0)
