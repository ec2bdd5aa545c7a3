"""Auditory filters: published bandwidths, and weights that make the filters equal."""

import math

import pytest
import torch

from wellposed.dsp.hearing import erb_hz, hearing_weights


@pytest.mark.parametrize(("hz", "width"), [(100, 35.5), (1000, 132.6), (4000, 456.5)])
def test_bandwidths_are_those_of_glasberg_and_moore(hz: int, width: float):
    assert erb_hz(torch.tensor(float(hz))).item() == pytest.approx(width, abs=0.1)


@pytest.mark.parametrize("rate", [8000, 16000, 48000])
def test_the_sum_of_weights_between_two_frequencies_is_the_number_of_filters_there(rate: int):
    # The number of ERBs below f is the integral of 1 / ERB: 21.37 log10(4.37e-3 f + 1).
    def filters(hz: float) -> float:
        return 1000 / (24.7 * 4.37) * math.log(4.37e-3 * hz + 1)

    bins = 20001
    weights = hearing_weights(bins, rate).double()
    assert weights.mean().item() == pytest.approx(1, rel=1e-5)
    for share in (0.1, 0.25, 0.5):
        found = weights[: int(share * bins)].sum().item() / bins
        assert found == pytest.approx(filters(share * rate / 2) / filters(rate / 2), rel=1e-3)
