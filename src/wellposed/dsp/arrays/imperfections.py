"""What real arrays do that described ones do not: displaced, unequal and coupled sensors."""

from dataclasses import replace

import torch
from torch import Tensor

from wellposed.dsp.arrays.sensors import Array


def displaced(array: Array, offsets: Tensor) -> Array:
    """Sensors moved by `offsets` `(..., sensors, 3)`."""
    return replace(array, positions=array.positions + offsets)


def unequal(array: Array, gain_db: Tensor, phase: Tensor) -> Array:
    """Sensors with gains [dB] and phases [rad], each `(..., sensors)`.

    They act on the outputs of the sensors, before anything that lies behind them already.
    """
    gains = torch.polar(10 ** (gain_db / 20), phase)
    behind = (
        torch.diag_embed(gains) if array.through is None else array.through * gains[..., None, :]
    )
    return replace(array, through=behind)


def coupled(array: Array, coupling: Tensor) -> Array:
    """Sensors that hear each other: their outputs are `coupling @ a`, `(..., sensors, sensors)`."""
    behind = coupling if array.through is None else array.through @ coupling
    return replace(array, through=behind)


def banded_coupling(count: int, coefficients: Tensor) -> Tensor:
    """Coupling of a line `(count, count)`: one on the diagonal, then `coefficients` by distance.

    The symmetric band of Friedlander and Weiss, "Direction finding in the presence of mutual
    coupling", IEEE Trans. Antennas and Propagation 39 (1991).
    """
    step = torch.arange(count, device=coefficients.device)
    apart = (step[:, None] - step).abs()
    known = torch.cat((coefficients.new_ones(1), coefficients, coefficients.new_zeros(1)))
    return known[apart.clamp(max=len(coefficients) + 1)]
