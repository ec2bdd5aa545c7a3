"""Whether told uncertainties are true: errors in units of what was told of them."""

import math

import torch
from torch import Tensor

from wellposed.dsp.arrays.wavefront import Places
from wellposed.metrics.detection import Detection
from wellposed.metrics.placing import placing
from wellposed.systems.locate.refine import State
from wellposed.systems.locate.uncertain import Sure

QUANTILES = {0.68: 3.5059, 0.95: 7.8147}
"""Of chi-square with three degrees of freedom, by the share below."""


def squared_distances(state: State, sure: Sure, found: Detection, truth: Places) -> Tensor:
    """e^T C^-1 e of every hit `(hits,)`: chi-square with three degrees where C is true."""
    count, whole = len(state.amplitudes), sure.covariance
    if not bool(torch.isfinite(whole).all()):
        return torch.zeros(0, dtype=torch.float64)
    blocks = whole.view(3, count, 3, count)
    made = []
    for mine, theirs in found.pairs:
        one = Places(*(each[mine : mine + 1] for each in state.places))
        other = Places(*(each[theirs : theirs + 1] for each in truth))
        error = torch.stack(placing(one, other)[:3])[:, 0]
        made.append(error @ torch.linalg.solve(blocks[:, mine, :, mine], error))
    return torch.stack(made)


def within(distances: Tensor, share: float) -> str:
    """Share of errors within the ellipsoid that should hold `share`, with Wilson's interval."""
    n = len(distances)
    if not n:
        return "-"
    p = float((distances <= QUANTILES[share]).double().mean())
    z = 1.96
    middle = (p + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * math.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
    return f"{p:.3f} [{middle - half:.3f}, {middle + half:.3f}]"
