"""Changes of a batch that stay close to what the batch holds: what one item has, another gets."""

from itertools import pairwise

import torch
from torch import Tensor


def exchanged(tensor: Tensor) -> Tensor:
    """Every item gets what the item before it has; scrambled where that is the same."""
    other = tensor.roll(1, 0)
    return scrambled(tensor) if torch.equal(other, tensor) else other


def scrambled(tensor: Tensor) -> Tensor:
    """Other values of the same kind: noise of the same size, other numbers, the opposite."""
    draws = torch.Generator().manual_seed(tensor.numel())
    if tensor.dtype == torch.bool:
        return ~tensor
    if tensor.is_floating_point() or tensor.is_complex():
        size = float(tensor.abs().double().square().mean().sqrt()) or 1.0
        noise = torch.randn(tensor.shape, dtype=tensor.dtype, generator=draws)
        return size * noise.to(tensor.device)
    # Whole numbers stay within their range: they may be indices.
    low, high = int(tensor.min()), int(tensor.max())
    return torch.where(tensor == high, low, high)


def inside(tensor: Tensor, other: Tensor, axis: int, part: slice) -> Tensor:
    """`tensor`, with the part of an axis that `other` has."""
    made = tensor.clone()
    index: list[slice] = [slice(None)] * tensor.ndim
    index[axis] = part
    made[tuple(index)] = other[tuple(index)]
    return made


def pieces(length: int, count: int) -> list[slice]:
    """An axis cut into so many parts of nearly equal length; fewer where it is shorter."""
    count = min(count, length)
    edges = [length * number // count for number in range(count + 1)]
    return [slice(low, high) for low, high in pairwise(edges)]
