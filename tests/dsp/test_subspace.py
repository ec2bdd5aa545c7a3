"""The signal projector: right where the gradient exists, finite where it does not."""

import math

import pytest
import torch
from torch.testing import assert_close

from wellposed.dsp.subspace import signal_subspace

KINDS = ("raw", "traced", "loaded", "little", "shrunk", "zero", "identity", "ties", "tiny", "huge")


def made(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def low_rank(
    batch: int, sensors: int, rank: int, dtype: torch.dtype, seed: int = 0
) -> torch.Tensor:
    wide = torch.promote_types(dtype, torch.float64)
    factor = torch.randn(batch, sensors, rank, dtype=wide, generator=made(seed))
    return (factor @ factor.mH).to(dtype)


def covariance(kind: str, batch: int, sensors: int, dtype: torch.dtype, seed: int) -> torch.Tensor:
    """Five sources or what was done to them."""
    raw = low_rank(batch, sensors, 5, dtype, seed)
    eye = torch.eye(sensors, dtype=dtype)
    trace = raw.diagonal(dim1=-2, dim2=-1).sum(-1).real[:, None, None] / sensors
    vectors = torch.linalg.qr(raw + eye).Q
    tied = torch.tensor([3.0] * 3 + [3.0] * 4 + [1.0] * (sensors - 7), dtype=dtype)
    return {
        "raw": raw,
        "traced": raw / trace,
        "loaded": raw / trace + eye,
        "little": raw / trace + 1e-4 * eye,
        "shrunk": 0.9 * raw + 0.1 * trace * eye,
        "zero": torch.zeros_like(raw),
        "identity": eye.expand_as(raw),
        "ties": (vectors * tied) @ vectors.mH,
        "tiny": raw * 1e-18,
        "huge": raw * 1e15,
    }[kind].clone()


@pytest.mark.parametrize("dtype", [torch.complex64, torch.complex128])
@pytest.mark.parametrize("kind", KINDS)
def test_no_gradient_is_ever_non_finite(kind, dtype):
    given = covariance(kind, 100, 20, dtype, seed=1).requires_grad_()
    counts = torch.randint(0, 21, (100,), generator=made(2))
    found = signal_subspace(given, counts)
    target = torch.randn(100, 20, 20, dtype=dtype, generator=made(3))
    (found.projector - target).abs().square().sum().backward()
    assert given.grad is not None
    assert torch.isfinite(torch.view_as_real(given.grad)).all()
    assert torch.isfinite(torch.view_as_real(found.projector.detach())).all()
    assert_close(
        found.projector.diagonal(dim1=-2, dim2=-1).sum(-1).real, counts.to(dtype.to_real())
    )


@pytest.mark.parametrize("dtype", [torch.float64, torch.complex128])
def test_the_gradient_is_that_of_finite_differences(dtype):
    given = low_rank(3, 6, 6, dtype, seed=4).requires_grad_()
    counts = torch.tensor([1, 2, 4])
    assert torch.autograd.gradcheck(
        lambda r: signal_subspace(r, counts).projector, (given,), eps=1e-6, atol=1e-6, rtol=1e-6
    )


def test_the_gradient_is_that_of_eigenvectors_where_those_have_one():
    given = low_rank(4, 8, 8, torch.complex128, seed=5)
    target = low_rank(4, 8, 3, torch.complex128, seed=6)
    slopes = []
    for project in (lambda r: signal_subspace(r, 3).projector, _by_eigenvectors):
        leaf = given.clone().requires_grad_()
        (project(leaf) * target.conj()).real.sum().backward()
        slopes.append(leaf.grad)
    assert_close(*slopes)


def _by_eigenvectors(covariance: torch.Tensor) -> torch.Tensor:
    vectors = torch.linalg.eigh((covariance + covariance.mH) / 2).eigenvectors[..., -3:]
    return vectors @ vectors.mH


def test_ties_of_noise_have_the_gradient_of_a_limit():
    # Loaded by exactly one, the noise is tied; the slope is that of a spread of 1e-7.
    given = covariance("loaded", 4, 12, torch.complex128, seed=7)
    spread = torch.diag(1e-7 * torch.arange(12)).to(given)
    target = low_rank(4, 12, 3, torch.complex128, seed=8)
    slopes = []
    for each in (given, given + spread):
        leaf = each.clone().requires_grad_()
        (signal_subspace(leaf, 5).projector * target.conj()).real.sum().backward()
        slopes.append(leaf.grad)
    assert_close(*slopes, rtol=1e-4, atol=1e-5)
    leaf = given.clone().requires_grad_()
    vectors = torch.linalg.eigh(leaf).eigenvectors[..., -5:]
    ((vectors @ vectors.mH) * target.conj()).real.sum().backward()
    assert leaf.grad is not None
    # What the projector is for: eigenvectors one by one lose this.
    assert not torch.isfinite(torch.view_as_real(leaf.grad)).all()


def test_single_precision_keeps_the_gradient_of_double():
    wide = covariance("shrunk", 16, 20, torch.complex128, seed=9)
    target = low_rank(16, 20, 3, torch.complex128, seed=10)
    slopes = []
    for dtype in (torch.complex64, torch.complex128):
        leaf = wide.to(dtype).requires_grad_()
        (signal_subspace(leaf, 5).projector * target.conj().to(dtype)).real.sum().backward()
        assert leaf.grad is not None
        slopes.append(leaf.grad.to(torch.complex128))
    assert ((slopes[0] - slopes[1]).norm() / slopes[1].norm()) < 1e-4


def test_clamped_gaps_are_counted():
    values = torch.tensor([[1.0, 1, 1, 5], [1, 5, 5, 5], [0, 0, 0, 0], [1, 2, 3, 4]])
    found = signal_subspace(
        torch.diag_embed(values).to(torch.complex128), torch.tensor([1, 2, 1, 2])
    )
    assert found.pairs.tolist() == [3, 4, 3, 4]
    # Second matrix: two of three equal values are signal, so each is tied with the third.
    assert found.clamped.tolist() == [0, 2, 3, 0]
    assert found.lost.tolist() == [False, False, True, False]
    assert_close(found.values, values.double())


def test_a_matrix_of_zeros_has_no_gradient_and_says_so():
    leaf = torch.zeros(1, 4, 4, dtype=torch.complex128, requires_grad=True)
    found = signal_subspace(leaf, 2)
    found.projector.real.sum().backward()
    assert found.lost.tolist() == [True]
    assert leaf.grad is not None
    assert not leaf.grad.abs().any()


def test_counts_of_none_and_all_project_on_nothing_and_everything():
    given = low_rank(2, 5, 5, torch.complex128).requires_grad_()
    found = signal_subspace(given, torch.tensor([0, 5]))
    assert_close(found.projector[0].detach(), torch.zeros(5, 5, dtype=torch.complex128))
    assert_close(found.projector[1].detach(), torch.eye(5, dtype=torch.complex128))
    found.projector.abs().square().sum().backward()
    assert given.grad is not None
    assert not given.grad.abs().any()
    assert found.clamped.tolist() == [0, 0]


def test_unusable_input_is_refused_with_its_place():
    broken = low_rank(3, 4, 4, torch.complex128)
    broken[1, 2, 2] *= math.nan
    with pytest.raises(ValueError, match=r"1 covariances are not finite, the first at \(1,\)"):
        signal_subspace(broken, 1)
    with pytest.raises(ValueError, match="0 to 4 wanted"):
        signal_subspace(low_rank(3, 4, 4, torch.complex128), 5)
    with pytest.raises(ValueError, match=r"\(..., sensors, sensors\) wanted"):
        signal_subspace(torch.zeros(3, 4), 1)
