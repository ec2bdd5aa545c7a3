"""Loudness patterns: units, masking, what is added, and PESQ beside them."""

import numpy as np
import pytest
import torch
from torch import Tensor

from wellposed.losses.loudness import (
    LISTENING_DB,
    WIDTH,
    _bands,
    _centres,
    _loudness,
    _powers,
    loudness_distance,
)

RATE = 16000


def tone(hertz: float, level_db: float) -> Tensor:
    """A second of a tone of so many dB SPL."""
    time = torch.arange(RATE, dtype=torch.float64) / RATE
    amplitude = 2**0.5 * 10 ** ((level_db - LISTENING_DB) / 20)
    return (amplitude * torch.sin(2 * torch.pi * hertz * time))[None]


def noise(seed: int) -> Tensor:
    keyed = torch.Generator().manual_seed(seed)
    return torch.randn(1, RATE, generator=keyed, dtype=torch.float64)


def test_bands_are_half_a_bark_and_share_out_every_bin_within_them():
    bands = _bands(512, RATE)
    assert bands.shape == (257, len(_centres(RATE)))
    inside = bands.sum(1)[8:240] * WIDTH * 256
    assert torch.allclose(inside, torch.ones_like(inside))


@pytest.mark.parametrize("hertz", [250.0, 1000.0, 4000.0])
def test_the_power_of_a_tone_is_its_level_in_decibel(hertz: float):
    power = _powers(tone(hertz, 60.0), RATE)[0, 4:-4].mean(0).sum() * WIDTH
    assert float(10 * torch.log10(power)) == pytest.approx(60.0, abs=0.2)


def test_loudness_doubles_with_ten_decibel_far_above_the_threshold():
    # Stevens's law for the exponent of 0.23: 10 dB are a factor 1.7.
    quiet, loud = (_loudness(_powers(tone(1000.0, db), RATE), RATE)[0, 8].max() for db in (70, 80))
    assert float(loud / quiet) == pytest.approx(10**0.23, rel=0.05)


def test_what_is_masked_costs_nothing_and_what_is_added_more_than_what_is_missing():
    wave = noise(0)
    assert float(loudness_distance(wave + 0.01 * noise(1), wave)) == 0.0
    empty = torch.fft.rfft(wave)
    empty[:, 3000:5000] = 0
    hollow = torch.fft.irfft(empty)
    missing, added = loudness_distance(hollow, wave), loudness_distance(wave, hollow)
    assert float(added) > 1.2 * float(missing) > 0


def test_it_ranks_noise_on_speech_as_pesq_does(shared_data):
    pytest.importorskip("pesq")
    from wellposed.data.audio import read
    from wellposed.metrics.speech import pesq_wb

    wave, rate = read(sorted((shared_data / "paired" / "clean").iterdir())[0])
    wave = wave[0]
    assert rate == RATE
    level = float(np.sqrt(np.mean(np.square(wave))))
    hiss = np.random.default_rng(0).standard_normal(len(wave)).astype(np.float32) * level
    heard, told = [], []
    for snr in (0, 10, 20, 30, 40):
        noisy = wave + hiss * np.float32(10 ** (-snr / 20))
        made, wanted = (torch.from_numpy(each / level)[None] for each in (noisy, wave))
        heard.append(float(loudness_distance(made, wanted)))
        told.append(pesq_wb(noisy, wave, rate).value)
    assert heard == sorted(heard, reverse=True)
    assert told == sorted(told)
