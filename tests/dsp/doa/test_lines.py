"""Roots, shifts, smoothing and counting: exact where theory says exact."""

import pytest
import torch
from torch.testing import assert_close

from wellposed.dsp.arrays.geometry import line
from wellposed.dsp.arrays.sensors import Array
from wellposed.dsp.arrays.snapshots import sample_covariance, source_covariance
from wellposed.dsp.arrays.wavefront import Places
from wellposed.dsp.doa.counting import count_by_eigenvalues, count_by_residuals
from wellposed.dsp.doa.lines import esprit, root_music, smoothed
from wellposed.dsp.subspace import signal_subspace

AZIMUTH = torch.tensor([[-0.7, -0.1, 0.4], [-0.2, 0.0, 1.1]], dtype=torch.float64)
METHODS = {"root": root_music, "esprit": esprit}


def wide(values) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64)


def covariance(correlation: float, noise: float = 0.1, spacing: float = 0.5) -> torch.Tensor:
    response = Array(line(9, spacing), 1.0, "far").response(Places.of(AZIMUTH))
    sources = source_covariance(wide([1, 2, 0.7]), wide(correlation), wide([0.3, -2, 1]))
    return response @ sources @ response.mH + noise * torch.eye(9)


@pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)
@pytest.mark.parametrize("spacing", [0.5, 0.3])
def test_the_true_covariance_gives_the_true_azimuths(method, spacing):
    projector = signal_subspace(covariance(0.5, spacing=spacing), 3).projector
    # The double roots of root-MUSIC move by the square root of a rounding error.
    assert_close(method(projector, 3, spacing, 1.0), AZIMUTH, rtol=0, atol=1e-6)


@pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)
def test_coherent_sources_need_smoothing(method):
    whole = covariance(1.0)
    plain = method(signal_subspace(whole, 3).projector, 3, 0.5, 1.0)
    assert (plain - AZIMUTH).abs().max() > 0.05
    projector = signal_subspace(smoothed(whole, 6), 3).projector
    assert_close(method(projector, 3, 0.5, 1.0), AZIMUTH, rtol=0, atol=1e-6)


def test_smoothing_is_the_mean_of_runs_and_mirrors():
    whole = covariance(0.3)[0]
    exchange = torch.eye(8, dtype=whole.dtype).flip(0)
    mean = (whole[:8, :8] + whole[1:, 1:]) / 2
    assert_close(smoothed(whole, 8, backward=False), mean)
    assert_close(smoothed(whole, 8), (mean + exchange @ mean.conj() @ exchange) / 2)
    with pytest.raises(ValueError, match="runs of 10 of 9 sensors"):
        smoothed(whole, 10)


def test_eigenvalues_count_the_rank_of_the_sources():
    made = torch.Generator().manual_seed(0)
    response = Array(line(9, 0.5), 1.0, "far").response(Places.of(AZIMUTH))
    sources, noise = (
        torch.randn(2, n, 200, dtype=torch.complex128, generator=made) for n in (3, 9)
    )
    sources[1] = sources[1, :1]
    values = torch.linalg.eigvalsh(sample_covariance(response @ sources + 0.3 * noise))
    assert count_by_eigenvalues(values, 200).tolist() == [3, 1]
    # Scale is nothing to it.
    assert count_by_eigenvalues(1e6 * values, 200, "aic").tolist() >= [3, 1]


def test_the_cost_of_a_count_has_its_closed_form():
    # Two sensors, eigenvalues l and 1: one source costs 3 ln T, none 2 T (2 ln mean - ln l).
    for snapshots, value in ((100, 1.3), (100, 1.9), (1000, 1.2)):
        mean = torch.tensor((value + 1) / 2).log()
        gain = 2 * snapshots * (2 * mean - torch.tensor(value).log())
        wanted = int(gain > 3 * torch.tensor(float(snapshots)).log())
        assert count_by_eigenvalues(wide([1, value]), snapshots).item() == wanted


def test_fewer_snapshots_than_sensors_can_be_counted():
    made = torch.Generator().manual_seed(1)
    response = Array(line(9, 0.5), 1.0, "far").response(Places.of(AZIMUTH[0, :1]))
    sources, noise = (torch.randn(n, 6, dtype=torch.complex128, generator=made) for n in (1, 9))
    values = torch.linalg.eigvalsh(sample_covariance(3 * response @ sources + 0.1 * noise))
    assert count_by_eigenvalues(values, 6).item() == 1


def test_residuals_are_weighed_against_parameters():
    # 50 numbers, 5 parameters each: a source must lower ln(residual) by 5 ln(100) / 100 = 0.23.
    for drop, wanted in ((0.22, 1), (0.24, 2)):
        left = torch.exp(wide([0, -2, -2 - drop, -2 - drop - 0.1]))
        assert count_by_residuals(left, 50, 5).item() == wanted
    with pytest.raises(ValueError, match="mdl, bic"):
        count_by_residuals(wide([1, 1]), 5, 5, "gap")  # pyrefly: ignore[bad-argument-type]
