"""Least-squares terms of a critic and of whom it judges, one value per example.

Mao et al., arXiv:1611.04076; matching of layers: Larsen et al., arXiv:1512.09300, in the form of
HiFi-GAN (Kong et al., arXiv:2010.05646). Sums over the parts of a critic and over their layers, as
in descript-audio-codec: its weights are weights of these sums.
"""

from collections.abc import Sequence

import torch
from torch import Tensor


def real_term(scores: Sequence[Tensor]) -> Tensor:
    """Mean squared distance of the scores `(batch, places)` of real sounds from 1."""
    return _sum([(each.float() - 1).square() for each in scores])


def fake_term(scores: Sequence[Tensor]) -> Tensor:
    """Mean square of the scores of estimates."""
    return _sum([each.float().square() for each in scores])


def fooling_term(scores: Sequence[Tensor]) -> Tensor:
    """Mean squared distance of the scores of estimates from those of real sounds, 1."""
    return real_term(scores)


def matching_term(fake: Sequence[Sequence[Tensor]], real: Sequence[Sequence[Tensor]]) -> Tensor:
    """Mean absolute difference, summed over all layers; no gradient to the real side."""
    return torch.stack(
        [
            (first.float() - second.detach().float()).abs().flatten(1).mean(1)
            for some, others in zip(fake, real, strict=True)
            for first, second in zip(some, others, strict=True)
        ]
    ).sum(0)


def _sum(values: Sequence[Tensor]) -> Tensor:
    return torch.stack([each.flatten(1).mean(1) for each in values]).sum(0)
