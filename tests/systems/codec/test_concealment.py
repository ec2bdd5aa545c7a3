"""Lost frames: repeated, faded, bridged; and drawn with a seed."""

import numpy as np
import pytest
import torch

from wellposed.systems.codec.concealment import (
    FADE_FRAMES,
    Concealer,
    bridged,
    fades,
    lost_frames,
)


def test_the_last_codes_are_repeated_fade_and_become_silence() -> None:
    codes = np.arange(1, 41, dtype=np.int32).reshape(2, 20)
    lost = np.zeros(20, bool)
    lost[3:13] = True
    filled, heights = Concealer(2).fill(codes, lost)
    np.testing.assert_array_equal(filled[:, :3], codes[:, :3])
    np.testing.assert_array_equal(filled[:, 13:], codes[:, 13:])
    for frame in range(3, 3 + FADE_FRAMES):
        np.testing.assert_array_equal(filled[:, frame], codes[:, 2])
    assert not filled[:, 3 + FADE_FRAMES : 13].any()
    np.testing.assert_allclose(heights[2:8], [1, 0.8, 0.6, 0.4, 0.2, 0.0], atol=1e-6)
    np.testing.assert_allclose(heights[13:], 1)


def test_pieces_are_filled_as_the_whole() -> None:
    rng = np.random.default_rng(0)
    codes = rng.integers(0, 9, (3, 60)).astype(np.int32)
    lost = rng.random(60) < 0.4
    whole, heights = Concealer(3).fill(codes, lost)
    concealer = Concealer(3)
    parts = [concealer.fill(codes[:, at : at + 7], lost[at : at + 7]) for at in range(0, 60, 7)]
    np.testing.assert_array_equal(np.concatenate([part for part, _ in parts], 1), whole)
    np.testing.assert_array_equal(np.concatenate([height for _, height in parts]), heights)


def test_nothing_before_the_first_frame_is_silence() -> None:
    filled, _ = Concealer(2).fill(np.full((2, 3), 7, np.int32), np.array([True, True, False]))
    np.testing.assert_array_equal(filled, [[0, 0, 7], [0, 0, 7]])


def test_gains_go_linearly_between_the_ends_of_frames() -> None:
    made = fades(1.0, np.array([1.0, 0.5, 1.0], np.float32), 4)
    np.testing.assert_allclose(
        made, [1, 1, 1, 1, 0.875, 0.75, 0.625, 0.5, 0.625, 0.75, 0.875, 1], atol=1e-6
    )


def test_a_gap_in_latents_is_bridged_by_a_line() -> None:
    latents = torch.arange(8.0).reshape(1, 1, 8).repeat(1, 2, 1)
    lost = np.array([True, False, True, True, True, False, False, True])
    broken = latents.clone()
    broken[..., torch.from_numpy(lost)] = 99.0
    found = bridged(broken, lost)[0, 0]
    np.testing.assert_allclose(found, [1, 1, 2, 3, 4, 5, 6, 6])
    assert not bridged(broken, np.ones(8, bool)).any()


@pytest.mark.parametrize(("rate", "burst"), [(0.0, 1), (0.05, 1), (0.2, 1), (0.1, 4.0), (0.2, 3.0)])
def test_losses_have_their_rate_and_their_runs_and_repeat(rate: float, burst: float) -> None:
    lost = lost_frames(200_000, rate, 3, burst=burst)
    np.testing.assert_array_equal(lost, lost_frames(200_000, rate, 3, burst=burst))
    # Five standard deviations of a mean of runs.
    assert lost.mean() == pytest.approx(rate, abs=5 * np.sqrt(rate * 2 * burst / 200_000) + 1e-12)
    if burst > 1:
        runs = (np.diff(lost.astype(int)) == 1).sum()
        assert lost.sum() / runs == pytest.approx(burst, rel=0.05)


def test_a_share_of_one_is_refused() -> None:
    with pytest.raises(ValueError, match="loss rate of 1"):
        lost_frames(10, 1.0, 0)
