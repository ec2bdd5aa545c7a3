"""Losses on plain spectra: closed forms, and what is consistent."""

import torch
from torch.testing import assert_close

from wellposed.dsp.stft import Stft
from wellposed.losses.spectrum import consistency, real_imaginary


def test_real_imaginary_is_the_sum_of_both_absolute_gaps():
    estimate = torch.tensor([[[1 + 2j, 0j]], [[0j, 0j]]])
    reference = torch.tensor([[[0j, 3 - 1j]], [[0j, 0j]]])
    assert_close(real_imaginary(estimate, reference), torch.tensor([(1 + 2 + 3 + 1) / 2, 0.0]))
    weights = torch.tensor([2.0, 0.0])
    assert_close(real_imaginary(estimate, reference, weights), torch.tensor([3.0, 0.0]))


def test_the_spectrum_of_a_signal_is_consistent_and_a_masked_one_is_not():
    stft = Stft(64, 16, 16000)
    wave = torch.randn(2, 400, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    spectrum = stft.forward(wave)
    again = stft.forward(stft.inverse(spectrum, 400))
    assert_close(consistency(spectrum, again), torch.zeros(2, dtype=torch.float64))
    mask = torch.rand(spectrum.shape, generator=torch.Generator().manual_seed(1))
    masked = spectrum * mask
    back = stft.forward(stft.inverse(masked, 400))
    assert (consistency(masked, back) > 1e-3).all()
    assert_close(consistency(masked, back), (masked - back).abs().square().mean((1, 2)))
