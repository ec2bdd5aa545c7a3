"""A few entries of each tensor, always the same ones, and the digest of all of them.

A sample proves that a tensor moved; that it did not move only the digest of all its bits proves.
Kept samples take 1/512 of what they stand for (at least 8 entries of each tensor).
"""

import hashlib
import math
from collections.abc import Sequence

import torch
from torch import Tensor

from ..finite import plain
from ..npy import raw_bytes

SHARE = 512
FEWEST, MOST = 8, 4096


@torch.no_grad()
def samples(tensors: Sequence[Tensor]) -> list[Tensor]:
    """Entries at even distances, one vector on the CPU per tensor (waits for the devices).

    Exact: half types become float32, nothing else is converted.
    """
    taken = [_entries(each) for each in tensors]
    found: dict[int, Tensor] = {}
    kinds: dict[tuple[torch.device, torch.dtype], list[int]] = {}
    for place, each in enumerate(taken):
        kinds.setdefault((each.device, each.dtype), []).append(place)
    for places in kinds.values():
        # One transfer per device and type.
        together = torch.cat([taken[place] for place in places]).cpu()
        sizes = [taken[place].numel() for place in places]
        found |= dict(zip(places, together.split(sizes), strict=True))
    return [found[place] for place in range(len(taken))]


def same_bits(first: Tensor, second: Tensor) -> bool:
    """Whether two samples are equal; NaN equals NaN."""
    return bool(((first == second) | (first.isnan() & second.isnan())).all())


def digest(tensor: Tensor) -> str:
    """Sixteen hexadecimal digits that stand for every bit (waits for the device)."""
    return hashlib.blake2b(raw_bytes(plain(tensor.detach())), digest_size=8).hexdigest()


def largest(tensors: Sequence[Tensor]) -> list[float]:
    """The largest magnitude in each tensor, 0 where there is none (waits for the devices).

    NaN where a tensor holds NaN: the maximum norm is finite exactly if every entry is.
    """
    found = [0.0] * len(tensors)
    for places, norms in largest_waiting(tensors):
        for place, value in zip(places, norms.tolist(), strict=True):
            found[place] = value
    return found


def largest_waiting(tensors: Sequence[Tensor]) -> list[tuple[list[int], Tensor]]:
    """The same by device and type, without waiting: places among `tensors`, and magnitudes."""
    numbers = [plain(each.detach()) for each in tensors]
    kinds: dict[tuple[torch.device, torch.dtype], list[int]] = {}
    for place, each in enumerate(numbers):
        if each.numel() and each.is_floating_point():
            kinds.setdefault((each.device, each.dtype), []).append(place)
    return [
        (places, torch.stack(torch._foreach_norm([numbers[place] for place in places], math.inf)))
        for places in kinds.values()
    ]


def _entries(tensor: Tensor) -> Tensor:
    # A copy is made only of tensors whose entries are not contiguous, one at a time.
    flat = plain(tensor.detach()).reshape(-1)
    count = min(flat.numel(), MOST, max(FEWEST, flat.numel() // SHARE))
    if count == 0:
        return flat
    stride, columns = flat.numel() // count, tensor.shape[-1] if tensor.ndim else 1
    # Not a multiple of the row length: that would look at one column only.
    while stride > 1 and math.gcd(stride, columns) > 1:
        stride -= 1
    taken = flat[: stride * count : stride]
    return taken.float() if taken.dtype.itemsize < 4 else taken.clone()
