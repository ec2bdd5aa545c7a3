"""Decoded sound at the level that its codes tell of."""

import pytest
import torch
from torch import Tensor

from wellposed.nn.causal import Tape, Whole
from wellposed.nn.exact import Stream
from wellposed.systems.codec.upheld import FRAMES, MOST, Heard, upheld

HOP = 320


def noise(frames: int, level: float = 0.1, seed: int = 0, batch: int = 1) -> Tensor:
    keyed = torch.Generator().manual_seed(seed)
    return level * torch.randn(batch, frames * HOP, generator=keyed, dtype=torch.float64)


def powers(wave: Tensor) -> Tensor:
    return wave.unflatten(-1, (-1, HOP)).square().sum(-1)


def held(wave: Tensor, told: Tensor, tape: Tape | None = None) -> Tensor:
    return upheld(wave, told, Heard.nothing(wave), HOP, tape or Whole())[0]


def test_what_is_at_its_level_stays_as_it_is():
    wave = noise(80)
    assert torch.allclose(held(wave, powers(wave)), wave, rtol=1e-12)


@pytest.mark.parametrize("factor", [0.6, 0.9, 1.3, 1.9])
def test_a_constant_error_of_the_level_is_gone_after_a_frame(factor: float):
    wave = noise(80)
    made = held(wave / factor, powers(wave))
    assert torch.allclose(made[:, HOP:], wave[:, HOP:], rtol=1e-9)
    # From a gain of 1 along a line.
    gains = made[0, :HOP] / (wave[0, :HOP] / factor)
    line = 1 + (factor - 1) * torch.arange(1, HOP + 1, dtype=torch.float64) / HOP
    assert torch.allclose(gains, line, rtol=1e-9)


def test_an_error_that_changes_is_corrected_by_the_mean_of_a_second():
    wave = noise(4 * FRAMES)
    course = torch.ones(4 * FRAMES, dtype=torch.float64)
    course[2 * FRAMES :] = 0.8
    made = held(wave * course.repeat_interleave(HOP), powers(wave))
    first, last = (powers(each)[:, -FRAMES:].sum() for each in (wave, made))
    assert float(last / first) == pytest.approx(1.0, rel=1e-9)
    steps = (made / (wave * course.repeat_interleave(HOP)))[0, HOP - 1 :: HOP].diff().abs()
    # 0.8 is made up for within 50 frames, a little in each.
    assert float(steps.max()) < 0.02


def test_the_gain_has_limits_and_silence_is_silent():
    wave = noise(10)
    made = held(wave, 100 * powers(wave))
    assert torch.allclose(made[:, HOP:], MOST * wave[:, HOP:])
    made = held(wave, powers(wave) / 100)
    assert torch.allclose(made[:, HOP:], wave[:, HOP:] / MOST)
    assert not held(torch.zeros_like(wave), powers(wave)).any()
    assert torch.equal(held(wave, torch.zeros_like(powers(wave))), wave)


@pytest.mark.parametrize("frames", [1, 7, 50])
def test_pieces_have_the_bits_of_the_whole_whatever_the_batch(frames: int):
    tape = Stream()
    waves = tape.settle(torch.cat([noise(120, seed=n) for n in range(3)]))
    told = powers(torch.cat([noise(120, 0.13, seed=n + 5) for n in range(3)]))
    whole = held(waves, told, tape)
    for number in range(3):
        rows, told_rows = waves[number : number + 1], told[number : number + 1]
        state, pieces = Heard.nothing(rows), []
        parts = zip(rows.split(frames * HOP, -1), told_rows.split(frames, -1), strict=True)
        for piece, power in parts:
            made, state = upheld(piece, power, state, HOP, tape)
            pieces.append(made)
        assert torch.equal(torch.cat(pieces, -1), whole[number : number + 1])


def test_a_level_that_the_gain_undoes_has_no_gradient():
    wave, told = noise(60), powers(noise(60, seed=1))
    scale = torch.ones((), dtype=torch.float64, requires_grad=True)
    # From the first whole frame on the scale has no effect, and is told so.
    made = held(scale * wave, told)[:, HOP:]
    (pull,) = torch.autograd.grad((made * noise(60, seed=2)[:, HOP:]).sum(), scale)
    assert abs(float(pull.detach())) < 1e-9
    assert float(made.detach().square().mean()) > 1e-3
