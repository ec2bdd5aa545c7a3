"""What a row says about the estimate, its reference and the items of the batch.

Everything is measured where the tensors are; nothing waits for the device. The promise: shares
and counts are exact, but for numbers whose squares underflow float32 (below 1e-23): an item of
those alone counts as silent.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from .dense import plain

SIGNALS = (
    "items",
    "estimate_rms",
    "reference_rms",
    "error_rms",
    "estimate_mean",
    "reference_mean",
    "estimate_full",
    "reference_full",
    "silent_estimates",
    "silent_references",
    "lost_estimates",
)
"""Numbers of both signals. `full`: share of samples at or above 1 in size. `silent`: items that
are zero throughout. `lost`: items whose estimate is silent though the reference is not. `error`:
estimate minus reference, 0 where their shapes differ. Without a signal its numbers are 0."""

SHARE, ITEM = "share/", "item/"
"""Prefixes of two columns for each term: the largest share that one item has in the sum of sizes of
a term `(items,)`, and which item it is. 0 and 0 for terms of another shape."""


def measure_signals(
    estimate: Tensor | None, reference: Tensor | None, device: torch.device
) -> list[Tensor]:
    """One 0-d float32 tensor for each of `SIGNALS`; the first axis counts items."""
    zero = torch.zeros((), device=device)
    first, second = _numbers(estimate), _numbers(reference)
    one, other = _Measured(first, zero), _Measured(second, zero)
    items = max(one.count, other.count)
    error = lost = zero
    if first is not None and second is not None:
        if first.shape == second.shape and first.device == second.device:
            error = _rms(torch.linalg.vector_norm(first - second), first)
        if one.count == other.count:
            lost = ((one.norms == 0) & (other.norms.to(one.norms.device) != 0)).sum().float()
    values = [
        torch.full((), float(items), device=device),
        one.rms,
        other.rms,
        error,
        one.mean,
        other.mean,
        one.full,
        other.full,
        one.silent,
        other.silent,
        lost,
    ]
    return [value.to(device) for value in values]


def measure_shares(terms: Sequence[Tensor | float], device: torch.device) -> Tensor:
    """The largest share of every term, then which item has it: float32 `(2 * terms,)`.

    Sizes, not values, so that a loss may cross zero.
    """
    lengths: dict[int, dict[int, Tensor]] = {}
    for place, term in enumerate(terms):
        if isinstance(term, Tensor) and term.ndim == 1 and len(term) > 1:
            numbers = plain(term.detach()).to(device, torch.float32)
            lengths.setdefault(len(term), {})[place] = numbers
    found = {place: torch.zeros(2, device=device) for place in range(len(terms))}
    for alike in lengths.values():
        # One length as a rule: then all terms are measured together.
        sizes = torch.stack(list(alike.values())).abs()
        top, item = sizes.max(1)
        shares = top / sizes.sum(1).clamp_min(torch.finfo(torch.float32).tiny)
        found |= dict(zip(alike, torch.stack([shares, item.float()], 1).unbind(), strict=True))
    return (
        torch.stack(list(found.values()), 1).reshape(-1) if found else torch.zeros(0, device=device)
    )


class _Measured:
    """One signal; zeros for none."""

    def __init__(self, numbers: Tensor | None, zero: Tensor) -> None:
        self.count = 0 if numbers is None else len(numbers)
        self.norms = self.rms = self.mean = self.full = self.silent = zero
        if numbers is None or not numbers.numel():
            return
        # The squares of a whole item in one pass: an item is silent if their sum is 0.
        self.norms = torch.linalg.vector_norm(numbers, dim=1)
        self.silent = (self.norms == 0).sum().float()
        self.rms = _rms(torch.linalg.vector_norm(self.norms), numbers)
        self.mean = numbers.mean()
        # In place on the one temporary tensor: the quickest of six ways that were timed.
        self.full = numbers.abs().ge_(1).mean()


def _numbers(signal: Tensor | None) -> Tensor | None:
    """`(items, numbers of an item)` in float32."""
    if signal is None:
        return None
    numbers = plain(signal.detach()).float()
    return numbers.reshape(len(numbers) if numbers.ndim else 1, -1) if numbers.numel() else None


def _rms(norm: Tensor, numbers: Tensor) -> Tensor:
    return norm / numbers.numel() ** 0.5
