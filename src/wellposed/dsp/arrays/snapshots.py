"""Snapshots y = A s + n: correlated sources, a stated signal-to-noise ratio, covariances.

All arithmetic; the white numbers come from outside.
"""

from typing import Literal

import torch
from torch import Tensor

Reference = Literal["source", "received"]
"""What the ratio compares with the noise power of one output: the power of the strongest source,
as it would be at the origin, or the mean power received by the outputs."""


def source_covariance(powers: Tensor, correlation: Tensor, phase: Tensor) -> Tensor:
    """Covariance `(..., sources, sources)` of what `correlated` makes.

    Every pair has `correlation` (0 to 1, `(...)`) in magnitude, with the difference of their
    `phase` [rad] as its angle; `powers` and `phase` are `(..., sources)`.
    """
    turned = torch.polar(powers.sqrt(), phase)
    shared = correlation[..., None, None] * turned.unsqueeze(-1) * turned.conj().unsqueeze(-2)
    return shared + torch.diag_embed((1 - correlation)[..., None] * powers).to(shared)


def correlated(
    own: Tensor, shared: Tensor, powers: Tensor, correlation: Tensor, phase: Tensor
) -> Tensor:
    """Sources `(..., sources, snapshots)` from white `own` of that shape and `shared` of one row.

    Coherent sources (correlation 1) are copies of one wave, each with its own phase: with equal
    phases a network would only have to learn their sum.
    """
    alone = (1 - correlation).sqrt()[..., None, None] * own
    mixed = (
        correlation.sqrt()[..., None, None] * torch.polar(torch.ones_like(phase), phase)[..., None]
    )
    return powers.sqrt()[..., None] * (alone + mixed * shared)


def noise_power(reference_power: Tensor, snr_db: Tensor) -> Tensor:
    """Noise power of one output at a ratio [dB]."""
    return reference_power * 10 ** (-snr_db / 10)


def reference_power(clean: Tensor, powers: Tensor, reference: Reference) -> Tensor:
    """What the ratio counts as signal `(...)`, of `clean` `(..., outputs, snapshots)`."""
    if reference == "source":
        return powers.amax(-1)
    return clean.abs().square().mean((-2, -1))


def measured_snr_db(clean: Tensor, noise: Tensor) -> Tensor:
    """Ratio of mean powers `(...)` [dB] of `(..., outputs, snapshots)`."""
    power = [each.abs().square().mean((-2, -1)) for each in (clean, noise)]
    return 10 * torch.log10(power[0] / power[1])


def sample_covariance(snapshots: Tensor) -> Tensor:
    """Y Y^H / T `(..., outputs, outputs)` of snapshots `(..., outputs, T)`.

    The mean stays in: subtracting it removes a source that does not change. Raises ValueError:
    real or non-finite numbers, or no snapshot.
    """
    if snapshots.ndim < 2 or not snapshots.shape[-1]:
        raise ValueError(
            f"snapshots of shape {tuple(snapshots.shape)}: (..., sensors, snapshots) with at least "
            "one snapshot wanted"
        )
    if not snapshots.is_complex():
        raise ValueError(
            f"snapshots of {snapshots.dtype}: complex ones wanted; take the analytic signal or one "
            "bin of a Fourier transform"
        )
    bad = ~torch.isfinite(torch.view_as_real(snapshots)).all(-1)
    if bad.any():
        first = tuple(bad.nonzero()[0].tolist())
        raise ValueError(
            f"{int(bad.sum())} of {bad.numel()} snapshot values are not finite, "
            f"the first at {first}; remove them"
        )
    return snapshots @ snapshots.mH / snapshots.shape[-1]
