"""Losses on waveforms: (estimate, reference), each `(batch, time)`, to one value per example."""

import torch
from torch import Tensor


def waveform_l1(estimate: Tensor, reference: Tensor) -> Tensor:
    """Mean absolute difference, in the unit of the signals; zero only when they are equal."""
    estimate, reference = _wide(estimate), _wide(reference)
    return (estimate - reference).abs().mean(-1)


def neg_snr_db(estimate: Tensor, reference: Tensor, cap_db: float = 30.0) -> Tensor:
    """Negative signal-to-noise ratio [dB], soft-capped at `cap_db`.

    `10 log10((|e - s|^2 + 10^(-cap/10) |s|^2) / |s|^2)`: -cap_db at equality, 0 for silence,
    sensitive to level. A silent reference has no SNR: there both powers get the floor of
    1e-10 (-100 dB re full scale), so the value stays finite and still falls as the estimate
    goes silent.

    Source of the cap: Wisdom et al., "Unsupervised sound separation using mixture invariant
    training", 2020, arXiv:2006.12701, eq. 2 (30 dB).
    """
    estimate, reference = _wide(estimate), _wide(reference)
    power = reference.square().mean(-1) + 1e-10
    error = (estimate - reference).square().mean(-1)
    return 10 * torch.log10(error / power + 10 ** (-cap_db / 10))


def _wide(waveform: Tensor) -> Tensor:
    """At least float32: half precision cannot hold the floor of -100 dB."""
    return waveform.to(torch.promote_types(waveform.dtype, torch.float32))
