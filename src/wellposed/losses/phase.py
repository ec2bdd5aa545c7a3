"""Losses on the phase of spectra, without an angle.

Each takes complex spectra `(batch, ..., frames, bins)` and returns one value per example. The
difference of two phases is taken as the distance of unit vectors, |u - v|^2 / 2 = 1 - cos: it
wraps by itself. `angle` would have a slope of 1 / |z|, infinite at zero and NaN just above it; the
vectors z / sqrt(|z|^2 + FLOOR) have one of at most 1 / sqrt(FLOOR). A bin counts by the reference's
magnitude, compressed, so that bins without sound, whose phase means nothing, count nothing.

The three kinds, of the phase and of its differences along frequency and along time, are those of
Ai and Ling, "Neural speech phase prediction based on parallel estimation architecture and
anti-wrapping losses", 2023, arXiv:2211.15974, which has the |wrapped difference| there.
Like all that compares phases alone, they are blind to gain.
"""

import torch
from torch import Tensor

EXPONENT = 0.3
"""Compression of the magnitudes that weigh the bins, as in `losses.compressed`."""

FLOOR = 1e-4
"""Added to the power of every bin, for spectra scaled to unit power of the mixture: -40 dB.
It bounds the slope at zero to FLOOR ** -0.5 = 100, that of `losses.compressed` being 126."""


def phase(
    estimate: Tensor, reference: Tensor, floor: float = FLOOR, weights: Tensor | None = None
) -> Tensor:
    """Mean of `1 - cos` of the phases' difference, weighed by magnitude; blind to gain.

    `weights` `(bins,)` of mean 1 say how much each frequency counts; None: all alike.
    """
    estimate, reference = _wide(estimate), _wide(reference)
    weight = _weight(reference, floor)
    return _distance(_unit(estimate, floor), _unit(reference, floor), _heard(weight, weights))


def group_delay(
    estimate: Tensor, reference: Tensor, floor: float = FLOOR, weights: Tensor | None = None
) -> Tensor:
    """As `phase`, for the step of the phase from bin to bin: when things happen. Blind to gain."""
    estimate, reference = _wide(estimate), _wide(reference)
    units = [_step(_unit(z, floor), -1) for z in (estimate, reference)]
    weight = _heard(_weight(reference, floor), weights)
    return _distance(units[0], units[1], _joint(weight, -1))


def instantaneous_frequency(
    estimate: Tensor, reference: Tensor, floor: float = FLOOR, weights: Tensor | None = None
) -> Tensor:
    """As `phase`, for the step of the phase from frame to frame: the pitch. Blind to gain."""
    estimate, reference = _wide(estimate), _wide(reference)
    units = [_step(_unit(z, floor), -2) for z in (estimate, reference)]
    weight = _heard(_weight(reference, floor), weights)
    return _distance(units[0], units[1], _joint(weight, -2))


def _unit(spectrum: Tensor, floor: float) -> Tensor:
    return spectrum * (_square(spectrum) + floor).rsqrt()


def _step(units: Tensor, dim: int) -> Tensor:
    """Unit vectors of the difference to the neighbour before."""
    length = units.shape[dim] - 1
    return units.narrow(dim, 1, length) * units.narrow(dim, 0, length).conj()


def _weight(reference: Tensor, floor: float) -> Tensor:
    """Compressed magnitude, exactly 0 where there is nothing."""
    power = _square(reference)
    return (power + floor) ** (EXPONENT / 2) - floor ** (EXPONENT / 2)


def _joint(weight: Tensor, dim: int) -> Tensor:
    """Weight of a step: that of the weaker end."""
    length = weight.shape[dim] - 1
    return torch.minimum(weight.narrow(dim, 1, length), weight.narrow(dim, 0, length))


def _heard(weight: Tensor, weights: Tensor | None) -> Tensor:
    return weight if weights is None else weight * weights


def _distance(first: Tensor, second: Tensor, weight: Tensor) -> Tensor:
    each = 0.5 * weight * _square(first - second)
    # One frame or one bin has no step: nothing to compare is no error.
    return each.flatten(1).sum(1) / max(1, each[0].numel())


def _square(spectrum: Tensor) -> Tensor:
    return spectrum.real.square() + spectrum.imag.square()


def _wide(spectrum: Tensor) -> Tensor:
    wide = spectrum.dtype in (torch.complex64, torch.complex128)
    return spectrum if wide else spectrum.to(torch.complex64)
