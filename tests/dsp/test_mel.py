"""Mel scales and filters against published numbers and closed forms."""

import pytest
import torch
from torch.testing import assert_close

from wellposed.dsp.mel import Scale, hz_to_mel, log_mel, mel_filters, mel_to_hz
from wellposed.losses.mel import SCALES, mel_distance

SCALE_NAMES: tuple[Scale, ...] = ("slaney", "htk")


def wide(*values: float) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64)


def noise(samples: int, level: float = 0.1, seed: int = 0) -> torch.Tensor:
    return level * torch.randn(2, samples, generator=torch.Generator().manual_seed(seed))


def test_the_slaney_scale_has_the_numbers_of_librosas_documentation():
    assert_close(hz_to_mel(wide(60, 110, 220, 440)), wide(0.9, 1.65, 3.3, 6.6))
    assert_close(mel_to_hz(wide(3, 1, 5)), wide(200, 200 / 3, 1000 / 3))
    corners = mel_to_hz(torch.linspace(0, 1, 40).double() * hz_to_mel(wide(11025)))
    assert_close(
        corners[[0, 1, 11, 12, -2]], wide(0, 85.317, 938.49, 1024.856, 10096.408), atol=1e-3, rtol=0
    )


def test_the_htk_scale_is_its_formula():
    assert_close(hz_to_mel(wide(0, 700, 6300), "htk"), 2595 * wide(1, 2, 10).log10())


@pytest.mark.parametrize("scale", SCALE_NAMES)
def test_mel_and_back_is_the_identity(scale: Scale):
    frequency = torch.linspace(0, 24000, 999, dtype=torch.float64)
    assert_close(mel_to_hz(hz_to_mel(frequency, scale), scale), frequency)


def test_filters_have_the_published_numbers():
    # librosa.filters.mel(sr=22050, n_fft=2048), as the crate mel_filter documents them.
    filters = mel_filters(1025, 22050, 128)
    first = wide(0, 0.016182853208219942, 0.032365706416439884, 0.028990088037379964,
                 0.012807234829160026, 0)  # fmt: skip
    second = wide(0, 0, 0, 0.009779235793639925, 0.025962089001859864, 0.035393705451959974,
                  0.01921085224374004, 0.003027999035520103, 0)  # fmt: skip
    assert_close(filters[0, :6], first)
    assert_close(filters[1, :9], second)


@pytest.mark.parametrize("scale", SCALE_NAMES)
@pytest.mark.parametrize("rate", [8000, 16000, 24000, 48000])
def test_every_filter_of_the_loss_has_one_peak_and_all_rise(rate: int, scale: Scale):
    for window_ms, mels in SCALES:
        filters = mel_filters(round(rate * window_ms / 1000) // 2 + 1, rate, mels, scale)
        slopes = filters.diff(dim=1).sign()
        turns = [row[row != 0].diff().abs().sum() for row in slopes]
        assert all(turn <= 2 for turn in turns)  # up then down, or one side alone at an edge
        centres = (filters * torch.arange(filters.shape[1])).sum(1) / filters.sum(1)
        # The filters of htk below 1 kHz are narrower than what these windows resolve at 8 kHz.
        assert scale == "htk" or (centres.diff() > 0).all()


def test_a_triangle_of_many_bins_has_the_area_one():
    rate, bins = 16000, 16385
    areas = mel_filters(bins, rate, 20).sum(1) * rate / 2 / (bins - 1)
    assert_close(areas, torch.ones_like(areas), rtol=1e-4, atol=0)


def test_too_many_filters_are_refused():
    with pytest.raises(ValueError, match="holds no bin"):
        mel_filters(65, 16000, 80)


def test_a_gain_is_a_constant_distance_in_every_filter():
    wave = noise(8000)
    told = mel_distance(wave / 10, wave, 16000)
    # One decade at each of the scales; what lies before the first sample is silent in both.
    assert_close(told, torch.full((2,), float(len(SCALES))), atol=0.02, rtol=0)


def test_white_noise_has_its_level_in_every_filter():
    told = log_mel(noise(64000), 16000, 32, 80)[:, 4:-4].mean(1)
    # The mean magnitude of complex Gaussian values of unit power is sqrt(pi) / 2.
    assert_close(10**told, torch.full((2, 80), 0.1 * torch.pi**0.5 / 2), rtol=0.25, atol=0)


def test_silence_is_far_from_sound_and_the_slope_there_is_finite():
    silent = torch.zeros(2, 4000, requires_grad=True)
    mel_distance(silent, noise(4000), 16000).sum().backward()
    assert silent.grad is not None
    assert silent.grad.isfinite().all()
