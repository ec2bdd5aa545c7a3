"""Cross-spectra of several sources: their weights come back, and none is negative."""

import torch
from torch.testing import assert_close

from wellposed.dsp.doa.voices import left_of, waves, weights
from wellposed.dsp.doa.wideband import Pairs

POSITIONS = torch.tensor(
    [[0.0, 0.0, 0.0], [0.1, 0.0, 0.0], [0.0, 0.1, 0.0], [0.0, 0.0, 0.1]], dtype=torch.float64
)
PAIRS = Pairs.of(POSITIONS)
WAVENUMBERS = torch.linspace(5.0, 140.0, 40, dtype=torch.float64)
ANGLES = torch.tensor([[[0.7, 0.3], [-0.6, -0.1], [2.5, 0.4]]], dtype=torch.float64)


def test_weights_of_a_sum_are_those_that_it_was_made_with():
    made = waves(PAIRS, WAVENUMBERS, ANGLES)
    given = torch.rand(1, 3, 40, generator=torch.Generator().manual_seed(0)).double()
    crossed = (given[..., None, :] * made).sum(-3)
    found = weights(crossed, made)
    # In the lowest bins the array hardly tells them apart; there descent is slow.
    assert_close(found[..., 10:], given[..., 10:], atol=1e-3, rtol=0.0)
    assert float(left_of(crossed, made, found).abs().max()) < 0.05


def test_a_source_that_would_have_to_be_negative_has_no_weight():
    made = waves(PAIRS, WAVENUMBERS, ANGLES[:, :2])
    found = weights(made[:, 0] - 0.5 * made[:, 1], made)
    assert bool((found >= 0).all())
    assert float(found[:, 1, 10:].max()) < 0.5 * float(found[:, 0, 10:].mean())
