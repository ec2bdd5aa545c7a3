"""Squared magnitudes are those of the formula, of real and of complex numbers."""

import torch
from torch.testing import assert_close

from wellposed.dsp.power import power


def test_powers_are_squared_magnitudes():
    made = torch.Generator().manual_seed(0)
    values = torch.randn(3, 5, generator=made, dtype=torch.complex128)
    assert_close(power(values), values.abs().square())
    assert_close(power(values.mT.conj()), values.mT.abs().square())
    assert_close(power(values.real), values.real.square())
