"""The metric critic: its range, its length, that it can learn a score, and its calibration."""

from itertools import pairwise

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from wellposed.nn.critics.metric import CEILING, SEEN, Calibration, MetricCritic


def waves(batch: int, samples: int = 4000, seed: int = 0) -> Tensor:
    return torch.randn(batch, samples, generator=torch.Generator().manual_seed(seed))


def critic(rate: int = 16000, channels: int = 4) -> MetricCritic:
    torch.manual_seed(0)
    return MetricCritic(rate, channels)


@pytest.mark.parametrize("samples", [1, 255, 4000, 16001])
@pytest.mark.parametrize("rate", [8000, 48000])
def test_every_length_and_rate_gets_a_score_in_range(samples: int, rate: int):
    said = critic(rate)(waves(2, samples), waves(2, samples, 1))
    assert said.shape == (2,)
    assert ((said > 0) & (said < CEILING)).all()


def test_examples_do_not_touch_each_other():
    made = critic().eval()
    clean, other = waves(3), waves(3, seed=1)
    assert_close(made(clean, other)[1:2], made(clean[1:2], other[1:2]))


def test_the_gradient_at_the_estimate_is_finite_on_silence():
    for clean in (waves(1), torch.zeros(1, 4000)):
        estimate = torch.zeros(1, 4000, requires_grad=True)
        critic()(clean, estimate).sum().backward()
        assert estimate.grad is not None
        assert estimate.grad.isfinite().all()


def test_it_has_the_parameters_of_its_kind():
    # By hand for 16 channels: convolutions 16 c d, norms 2 d, PReLU d but for the last.
    widths = (2, 16, 32, 64, 128)
    layers = sum(16 * c * d + 3 * d for c, d in pairwise(widths))
    heads = (128 * 64 + 64) + 64 + (64 + 1) + 1  # linear, PReLU, linear, slope
    wanted = layers - 128 + heads
    assert sum(p.numel() for p in MetricCritic(16000).parameters()) == wanted


def test_it_learns_how_noisy_an_estimate_is():
    # The score is that of a made-up metric: 1 without noise, 0 with as much noise as signal.
    made = critic()
    optimizer = torch.optim.Adam(made.parameters(), 3e-3)
    generator = torch.Generator().manual_seed(3)

    def batch() -> tuple[Tensor, Tensor, Tensor]:
        clean = torch.randn(8, 4000, generator=generator).cumsum(1) / 30
        score = torch.rand(8, generator=generator)
        noise = torch.randn(8, 4000, generator=generator)
        return clean, clean + (1 - score)[:, None] * noise, score

    for _ in range(40):
        clean, estimate, score = batch()
        loss = (made(clean, estimate) - score).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    calibration = Calibration()
    for _ in range(4):
        clean, estimate, score = batch()
        calibration.add(made(clean, estimate), score)
    assert calibration.figures()["correlation"] > 0.8


def test_calibration_is_that_of_the_last_pairs_by_another_formula():
    calibration, made = Calibration(), torch.Generator().manual_seed(0)
    true = torch.rand(SEEN + 44, generator=made, dtype=torch.float64) * 3
    predicted = 0.5 * true + 0.3 * torch.rand(SEEN + 44, generator=made, dtype=torch.float64)
    for piece in zip(predicted.split(7), true.split(7), strict=True):
        calibration.add(*piece)
    told = calibration.figures()
    p, t = predicted[-SEEN:], true[-SEEN:]
    wanted = torch.corrcoef(torch.stack((p, t)))[0, 1].float()
    assert_close(told["correlation"], wanted)
    covariance = torch.cov(torch.stack((p, t)))
    assert_close(told["slope"], (covariance[0, 1] / covariance[1, 1]).float())
    assert_close(told["mean_error"], (p - t).mean().float())
    assert told["pairs"] == SEEN


def test_a_critic_that_has_collapsed_has_slope_0_and_no_correlation():
    calibration = Calibration()
    calibration.add(torch.full((8,), 0.7), torch.linspace(0, 1, 8))
    told = calibration.figures()
    assert told["slope"].abs() < 1e-6
    assert "correlation" not in told


def test_without_pairs_there_is_nothing_to_tell_but_that():
    assert set(Calibration().figures()) == {"pairs"}


def test_calibration_is_part_of_the_state():
    first, second = critic(), critic()
    first.calibration.add(torch.rand(5), torch.rand(5))
    second.load_state_dict(first.state_dict())
    assert first.calibration.figures() == second.calibration.figures()
