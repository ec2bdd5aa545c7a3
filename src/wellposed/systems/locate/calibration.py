"""Whether told uncertainties are true: errors in units of what was told of them."""

import math

import torch
from scipy.special import gammaincinv
from torch import Tensor

from wellposed.dsp.arrays.wavefront import Places
from wellposed.metrics.detection import Detection
from wellposed.systems.locate.front import Front
from wellposed.systems.locate.refine import State
from wellposed.systems.locate.scoring import error_of
from wellposed.systems.locate.uncertain import Sure


def squared_distances(
    state: State, sure: Sure, found: Detection, truth: Places, front: Front
) -> Tensor:
    """e^T C^-1 e of every hit `(hits,)`: chi-square where C is true, a degree a coordinate."""
    count, whole = len(state.amplitudes), sure.covariance
    if not bool(torch.isfinite(whole).all()):
        return torch.zeros(0, dtype=torch.float64)
    size = len(front.wanted)
    blocks = whole.view(size, count, size, count)
    made = []
    for mine, theirs in found.pairs:
        one = Places(*(each[mine : mine + 1] for each in state.places))
        other = Places(*(each[theirs : theirs + 1] for each in truth))
        error = error_of(one, other, front)
        made.append(error @ torch.linalg.solve(blocks[:, mine, :, mine], error))
    return torch.stack(made)


def within(distances: Tensor, share: float, degrees: int = 3) -> str:
    """Share of errors within the ellipsoid that should hold `share`, with Wilson's interval.

    `degrees` of freedom: coordinates of a place.
    """
    n = len(distances)
    if not n:
        return "-"
    p = float((distances <= 2 * float(gammaincinv(degrees / 2, share))).double().mean())
    z = 1.96
    middle = (p + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * math.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
    return f"{p:.3f} [{middle - half:.3f}, {middle + half:.3f}]"
