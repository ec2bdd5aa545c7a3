"""The discrete cosine transform as a matrix."""

import math

import torch
from torch import Tensor


def cosines(number: int, length: int) -> Tensor:
    """The `number` lowest rows of the orthonormal DCT-II of `length` samples, float64."""
    row, column = (torch.arange(each, dtype=torch.float64) for each in (number, length))
    basis = torch.cos(math.pi * row[:, None] * (2 * column + 1) / (2 * length))
    basis *= math.sqrt(2 / length)
    basis[0] /= math.sqrt(2)
    return basis
