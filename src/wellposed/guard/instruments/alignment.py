"""Whether references belong to their sources: by how many samples each is late, and whose it is.

Two questions, both answered by correlation. The first item by item over all lags (FFT), against
the neighbour's source as a draw of what chance gives; the second at lag 0 for all pairs.
"""

import math

import torch
from torch import Tensor

from ..dense import plain
from ..evidence import Table

ALIGNMENT = "alignment"
"""Kind of the records. Subjects: one of "item 0", "item 1", ... each, and `PAIRS`."""
PAIRS = "pairs"
MOST_ITEMS = 8
"""Items whose lags are looked for: two FFT pairs each, so that a large batch costs no more."""
MOST_SAMPLES = 1 << 14
"""Samples of the last axis that are compared: 32768-point FFTs, about a millisecond an item."""


@torch.no_grad()
def alignment(source: Tensor, reference: Tensor) -> Table:
    """The table of one batch; empty where the two cannot be compared.

    Per item `lag` [samples] (positive: the reference is later), the `peak` there and what the
    same reference has at most with the `neighbour`'s source, as coefficients. Of the pairs:
    how many `items` prefer each other to all others (`mutual`), and how many of those are not
    the given pairs (`crossed`). Silent and constant items count nowhere.
    """
    if source.shape != reference.shape or source.ndim < 2 or source.shape[-1] < 2:
        return {}
    given, wanted = _normal(source), _normal(reference)
    heard = ((given != 0).flatten(1).any(1) & (wanted != 0).flatten(1).any(1)).nonzero()[:, 0]
    given, wanted = given[heard], wanted[heard]
    if len(heard) < 2 or not bool(given.isfinite().all() & wanted.isfinite().all()):
        return {}
    return {**_lags(given, wanted, heard.tolist()), PAIRS: _pairs(given, wanted)}


def _normal(signal: Tensor) -> Tensor:
    """`(items, channels, samples)` without means, of norm 1; constant items become 0."""
    numbers = plain(signal.detach()).float()
    numbers = numbers.reshape(len(numbers), -1, numbers.shape[-1])[..., :MOST_SAMPLES]
    centred = numbers - numbers.mean(-1, keepdim=True)
    norms = centred.flatten(1).norm(dim=1)
    # What is left of a constant is the rounding of its mean, a sum in log2(n) layers.
    layers = 1 + math.log2(numbers.shape[-1])
    rounding = layers * torch.finfo(torch.float32).eps * numbers.flatten(1).norm(dim=1)
    inverse = torch.where(norms > rounding, 1 / norms, 0.0)
    return centred * inverse[:, None, None]


def _lags(source: Tensor, reference: Tensor, places: list[int]) -> Table:
    source, reference = source[:MOST_ITEMS], reference[:MOST_ITEMS]
    samples = source.shape[-1]
    size = 1 << (2 * samples - 1).bit_length()
    before, after = torch.fft.rfft(source, size), torch.fft.rfft(reference, size)
    own = _correlation(before, after, size)
    peaks, where = own.abs().max(1)
    neighbours = _correlation(before.roll(1, 0), after, size).abs().amax(1)
    lags = torch.where(where < size // 2, where, where - size)
    return {
        f"item {place}": {"lag": float(lag), "peak": float(peak), "neighbour": float(neighbour)}
        for place, lag, peak, neighbour in zip(
            places, lags.tolist(), peaks.tolist(), neighbours.tolist(), strict=False
        )
    }


def _correlation(before: Tensor, after: Tensor, size: int) -> Tensor:
    """Correlation at every lag, summed over the channels: `(items, lags)`."""
    return torch.fft.irfft((before.conj() * after).sum(1), size)


def _pairs(source: Tensor, reference: Tensor) -> dict[str, float]:
    likeness = (reference.flatten(1) @ source.flatten(1).T).abs()
    best_source, best_reference = likeness.argmax(1), likeness.argmax(0)
    items = torch.arange(len(likeness), device=likeness.device)
    mutual = best_reference[best_source] == items
    crossed = mutual & (best_source != items)
    return {
        "items": float(len(likeness)),
        "mutual": float(mutual.sum()),
        "crossed": float(crossed.sum()),
    }
