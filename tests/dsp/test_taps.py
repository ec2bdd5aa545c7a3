"""Filter taps along time against a loop over every output."""

import pytest
import torch
from torch.testing import assert_close

from wellposed.dsp.taps import filter_taps


def complex_white(*shape: int, seed: int) -> torch.Tensor:
    made = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=made, dtype=torch.complex128)


def loop(spectrum: torch.Tensor, taps: torch.Tensor, lookahead: int) -> torch.Tensor:
    batch, frames, bins, count = taps.shape
    out = torch.zeros(batch, frames, bins, dtype=spectrum.dtype)
    for t in range(frames):
        for i in range(count):
            source = t + lookahead - (count - 1) + i
            if 0 <= source < frames:
                out[:, t] += taps[:, t, :, i] * spectrum[:, source]
    return out


@pytest.mark.parametrize(("count", "lookahead"), [(1, 0), (3, 0), (3, 1), (3, 2), (5, 1)])
@pytest.mark.parametrize("frames", [1, 2, 9])
def test_taps_equal_the_formula(count: int, lookahead: int, frames: int):
    spectrum = complex_white(2, frames, 4, seed=1)
    taps = complex_white(2, frames, 4, count, seed=2)
    assert_close(filter_taps(spectrum, taps, lookahead), loop(spectrum, taps, lookahead))


def test_the_first_and_last_frames_see_only_what_exists():
    # All taps one: inside, three frames are summed; at either end two.
    spectrum = torch.ones(1, 5, 1, dtype=torch.complex64)
    out = filter_taps(spectrum, torch.ones(1, 5, 1, 3, dtype=torch.complex64), 1)
    assert out.real.flatten().tolist() == [2, 3, 3, 3, 2]
    out = filter_taps(spectrum, torch.ones(1, 5, 1, 3, dtype=torch.complex64), 0)
    assert out.real.flatten().tolist() == [1, 2, 3, 3, 3]


@pytest.mark.parametrize("lookahead", [0, 1])
def test_a_frame_reaches_exactly_as_far_into_the_past_as_lookahead_says(lookahead: int):
    spectrum, taps = complex_white(1, 12, 3, seed=3), complex_white(1, 12, 3, 3, seed=4)
    other = spectrum.clone()
    other[:, 6] += 1
    changed = (filter_taps(other, taps, lookahead) != filter_taps(spectrum, taps, lookahead))[0]
    wanted = range(6 - lookahead, 6 - lookahead + 3)
    assert changed.all(-1).nonzero().flatten().tolist() == list(wanted)
    assert changed.any(-1).nonzero().flatten().tolist() == list(wanted)


@pytest.mark.parametrize("lookahead", [-1, 3])
def test_a_lookahead_outside_the_taps_is_refused(lookahead: int):
    spectrum, taps = complex_white(1, 4, 3, seed=0), complex_white(1, 4, 3, 3, seed=0)
    with pytest.raises(ValueError, match=r"want 0\.\.2"):
        filter_taps(spectrum, taps, lookahead)
