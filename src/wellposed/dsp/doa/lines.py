"""Estimators of far sources before an evenly spaced line, which need no grid.

All take sensors along x in ascending order (`geometry.line`); azimuths are in (-pi/2, pi/2).
"""

import math

import torch
from torch import Tensor


def smoothed(covariance: Tensor, size: int, backward: bool = True) -> Tensor:
    """Mean covariance `(..., size, size)` of all runs of `size` neighbours, and of their mirrors.

    Coherent sources get their full rank back: up to as many as there are runs, twice as many with
    mirrors. Shan, Wax and Kailath, IEEE Trans. ASSP 33 (1985); Pillai and Kwon, ASSP 37 (1989).
    """
    sensors = covariance.shape[-1]
    if not 1 <= size <= sensors:
        raise ValueError(f"runs of {size} of {sensors} sensors: 1 to {sensors} wanted")
    runs = sensors - size + 1
    parts = [covariance[..., k : k + size, k : k + size] for k in range(runs)]
    mean = torch.stack(parts).mean(0)
    return (mean + mean.flip(-1, -2).conj()) / 2 if backward else mean


def root_music(projector: Tensor, count: int, spacing: float, wavelength: float) -> Tensor:
    """Azimuths `(..., count)` [rad], ascending, from the roots of MUSIC's null polynomial.

    `projector` `(..., sensors, sensors)` is that on the signal subspace. With z = exp(j k d sin az)
    the null spectrum a^H (I - P) a is a polynomial in z whose coefficients are the sums along the
    diagonals; of each pair of mirrored roots the inner one is taken, the `count` nearest to the
    circle first. Barabell, ICASSP 1983.
    """
    sensors = projector.shape[-1]
    noise = torch.eye(sensors, dtype=projector.dtype, device=projector.device) - projector
    sums = [noise.diagonal(k, -2, -1).sum(-1) for k in range(1 - sensors, sensors)]
    roots = _roots(torch.stack(sums, -1).to(torch.complex128))
    distance = (roots.abs() - 1).abs()
    # One of each mirrored pair lies inside; a double root on the circle is split by rounding.
    inner = roots.abs().argsort(-1)[..., : sensors - 1]
    nearest = distance.gather(-1, inner).argsort(-1)[..., :count]
    chosen = roots.gather(-1, inner.gather(-1, nearest))
    return _azimuth(chosen, spacing, wavelength)


def esprit(projector: Tensor, count: int, spacing: float, wavelength: float) -> Tensor:
    """Azimuths `(..., count)` [rad], ascending, from the shift between two overlapping runs.

    Total least squares; Roy and Kailath, IEEE Trans. ASSP 37 (1989). `projector` as above.
    """
    basis = torch.linalg.eigh(projector.to(torch.complex128)).eigenvectors[..., -count:]
    both = torch.cat((basis[..., :-1, :], basis[..., 1:, :]), -1)
    vectors = torch.linalg.svd(both).Vh.mH
    shift = -vectors[..., :count, count:] @ torch.linalg.inv(vectors[..., count:, count:])
    return _azimuth(torch.linalg.eigvals(shift), spacing, wavelength)


def _roots(coefficients: Tensor) -> Tensor:
    """Roots of polynomials `(..., degree + 1)`, ascending powers, as companion eigenvalues."""
    degree = coefficients.shape[-1] - 1
    monic = coefficients / coefficients[..., -1:]
    if not bool(torch.isfinite(torch.view_as_real(monic)).all()):
        raise ValueError(
            "the null polynomial has no highest power: the first and the last sensor share "
            "nothing; no signal subspace of fewer sources than sensors gives that"
        )
    companion = torch.zeros(
        *monic.shape[:-1], degree, degree, dtype=monic.dtype, device=monic.device
    )
    companion.diagonal(-1, -2, -1).fill_(1)
    companion[..., :, -1] = -monic[..., :-1]
    return torch.linalg.eigvals(companion)


def _azimuth(shifts: Tensor, spacing: float, wavelength: float) -> Tensor:
    sine = shifts.angle() * wavelength / (2 * math.pi * spacing)
    # A root may lie beyond what any direction gives when sensors are denser than half a wave.
    return sine.clamp(-1, 1).asin().sort(-1).values
