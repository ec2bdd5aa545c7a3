"""The comb after the decoder: what repeats stays, noise goes down, and nothing comes late."""

import pytest
import torch
from torch import Tensor

from wellposed.nn.causal import Whole
from wellposed.nn.exact import Stream
from wellposed.systems.codec.comb import PAST, combed

HOP, STRENGTH = 320, 0.6


def noise(samples: int, level: float, seed: int = 0, batch: int = 1) -> Tensor:
    keyed = torch.Generator().manual_seed(seed)
    return level * torch.randn(batch, samples, generator=keyed, dtype=torch.float64)


def voice(period: int, samples: int) -> Tensor:
    """Five harmonics of a period of whole samples."""
    phase = 2 * torch.pi * torch.arange(samples, dtype=torch.float64) / period
    return (0.05 * torch.stack([torch.cos(n * phase + n * n) for n in range(1, 6)]).sum(0))[None]


def nothing(wave: Tensor) -> Tensor:
    return wave.new_zeros(len(wave), PAST * HOP)


def through(wave: Tensor) -> Tensor:
    return combed(wave, nothing(wave), HOP, STRENGTH, Whole())


def in_frames(wave: Tensor) -> Tensor:
    """Frame by frame with the past kept, in exact arithmetic."""
    tape, past, pieces = Stream(), nothing(wave), []
    for frame in wave.split(HOP, -1):
        pieces.append(combed(frame, past, HOP, STRENGTH, tape))
        past = torch.cat([past, frame], -1)[:, -past.shape[-1] :]
    return torch.cat(pieces, -1)


@pytest.mark.parametrize("period", [32, 57, 160, 320])
def test_a_voice_passes_and_noise_on_it_falls_as_the_formula_says(period: int):
    clean, hiss = voice(period, 40 * HOP), noise(40 * HOP, 0.004)
    settled = slice(4 * HOP, None)
    assert torch.allclose(through(clean)[:, settled], clean[:, settled], atol=1e-9)
    left = (through(clean + hiss) - clean)[:, settled]
    # Two independent noises, the earlier one times the strength: (1 + s^2) / (1 + s)^2.
    fallen = float(left.square().mean() / hiss[:, settled].square().mean())
    assert fallen == pytest.approx((1 + STRENGTH**2) / (1 + STRENGTH) ** 2, rel=0.1)


def test_what_does_not_repeat_loses_little_and_silence_is_silent():
    hiss = noise(50 * HOP, 0.1)
    # By chance something repeats in noise, never as well as in a voice.
    assert 0.6 < float(through(hiss).square().mean() / hiss.square().mean()) < 1.0
    assert not through(torch.zeros(1, 5 * HOP)).any()


def test_frames_have_the_bits_of_the_whole_whatever_the_batch():
    tape = Stream()
    waves = tape.settle(
        torch.cat([voice(100, 20 * HOP), noise(20 * HOP, 0.1), voice(77, 20 * HOP) * 3])
        + noise(20 * HOP, 0.01, seed=1, batch=3)
    )
    whole = combed(waves, nothing(waves), HOP, STRENGTH, tape)
    assert torch.equal(in_frames(waves), whole)
    for number in range(len(waves)):
        assert torch.equal(in_frames(waves[number : number + 1]), whole[number : number + 1])


def test_no_frame_hears_the_next_one():
    wave = voice(100, 20 * HOP) + noise(20 * HOP, 0.01)
    changed = wave.clone()
    changed[:, 10 * HOP :] = noise(10 * HOP, 0.3, seed=2)
    assert torch.equal(through(changed)[:, : 10 * HOP], through(wave)[:, : 10 * HOP])


def test_the_gradient_passes_through_samples():
    wave = (voice(100, 8 * HOP) + noise(8 * HOP, 0.01)).requires_grad_()
    through(wave).square().sum().backward()
    assert wave.grad is not None
    assert wave.grad.isfinite().all()
    assert float(wave.grad.abs().sum()) > 0
