"""The steered response and the way up it: against sums by hand, and against autograd."""

import math

import torch

from wellposed.dsp.arrays.geometry import direction
from wellposed.dsp.doa.wideband import Pairs, climb, phases, scanned, steered

POSITIONS = torch.tensor([[0.0, 0, 0], [0.1, 0, 0], [0, 0.07, 0.02]], dtype=torch.float64)
WAVENUMBERS = torch.linspace(1, 80, 40, dtype=torch.float64)
BOTH = torch.tensor([True, True])


def toward(azimuth: float, elevation: float) -> torch.Tensor:
    angles = torch.tensor([azimuth, elevation], dtype=torch.float64)
    return direction(angles[0], angles[1])


def crossed(azimuth: float, elevation: float) -> torch.Tensor:
    """Cross-spectra of a far source."""
    unit = direction(torch.tensor(azimuth).double(), torch.tensor(elevation).double())
    spectra = torch.polar(
        torch.ones(3, 1, 40).double(), (POSITIONS @ unit)[:, None, None] * WAVENUMBERS
    )
    return phases(3.0 * spectra, Pairs.of(POSITIONS))[:, 0]


def test_the_true_direction_collects_all_of_it_and_others_less():
    made = crossed(0.4, -0.2)
    angles = torch.tensor([[0.4, -0.2], [0.6, -0.2], [0.4, 0.1]], dtype=torch.float64)
    response = steered(made, Pairs.of(POSITIONS), WAVENUMBERS, angles)
    assert torch.isclose(response[0], torch.tensor(40.0).double())
    assert bool((response[1:] < 39).all())


def test_a_response_is_the_sum_over_pairs_and_bins_by_hand():
    made, (azimuth, elevation) = crossed(0.4, -0.2), (1.1, 0.3)
    unit = toward(azimuth, elevation)
    total = 0.0
    for pair, (i, j) in enumerate(((0, 1), (0, 2), (1, 2))):
        lag = float((POSITIONS[i] - POSITIONS[j]) @ unit)
        for bin_, k in enumerate(WAVENUMBERS.tolist()):
            total += (made[pair, bin_] * complex(math.cos(k * lag), -math.sin(k * lag))).real
    angles = torch.tensor([[azimuth, elevation]], dtype=torch.float64)
    response = steered(made, Pairs.of(POSITIONS), WAVENUMBERS, angles)
    assert math.isclose(float(response[0]), float(total) / 3, rel_tol=1e-12)


def test_a_scan_of_many_is_each_of_them_alone():
    pairs, made = Pairs.of(POSITIONS), torch.stack([crossed(0.4, -0.2), crossed(-0.9, 0.5)])
    angles = torch.rand(300, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    together = scanned(made, pairs, WAVENUMBERS, angles)
    alone = torch.stack([steered(each, pairs, WAVENUMBERS, angles) for each in made])
    assert torch.allclose(together, alone)


def test_a_climb_ends_where_autograd_finds_no_slope():
    pairs = Pairs.of(POSITIONS)
    draws = torch.Generator().manual_seed(0)
    noise = torch.randn(3, 40, dtype=torch.complex128, generator=draws)
    made = torch.stack([crossed(0.4, -0.2) + 0.3 * noise, crossed(-0.9, 0.5)])
    start = torch.tensor([[0.45, -0.15], [-0.85, 0.45]], dtype=torch.float64)
    found = climb(made, pairs, WAVENUMBERS, start, free=BOTH).requires_grad_()
    steered(made, pairs, WAVENUMBERS, found[:, None, :]).sum().backward()
    assert found.grad is not None
    assert float(found.grad.abs().max()) < 1e-4
    assert torch.allclose(found[1], torch.tensor([-0.9, 0.5]).double(), atol=1e-8)


def test_a_coordinate_that_is_not_free_stays():
    start = torch.tensor([[0.5, -0.2]], dtype=torch.float64)
    free = torch.tensor([True, False])
    found = climb(crossed(0.4, -0.2)[None], Pairs.of(POSITIONS), WAVENUMBERS, start, free=free)
    assert float(found[0, 1]) == -0.2
    assert math.isclose(float(found[0, 0]), 0.4, abs_tol=1e-6)


def test_a_bin_without_sound_has_no_phase():
    spectra = torch.zeros(3, 2, 40, dtype=torch.complex128)
    assert float(phases(spectra, Pairs.of(POSITIONS)).abs().max()) == 0
