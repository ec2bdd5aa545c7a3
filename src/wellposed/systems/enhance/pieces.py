"""Long signals in pieces: cut with context on both sides, processed in batches, joined.

Promise: what comes out equals processing at once, up to the influence of what lies beyond the
context; memory is that of one batch of pieces, whatever the length of the signal.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Waveform = NDArray[np.float32]
Rows = Callable[[Waveform], Waveform]
"""(rows, time) to the same shape; a row depends on itself alone."""


@dataclass(frozen=True)
class Cut:
    """Lengths in samples, all multiples of `hop`: then pieces and whole have the same frames."""

    hop: int
    before: int
    """Context before what a piece is kept for."""
    core: int
    """What a piece is kept for."""
    after: int
    """Context after it; no shorter than `fade`."""
    fade: int
    """A piece passes into the next one over so many samples, so that no step is left."""

    @property
    def length(self) -> int:
        """Samples of a piece; a signal up to this length is not cut at all."""
        return self.before + self.core + self.after

    def starts(self, total: int) -> list[int]:
        """First samples of the pieces of a signal; the last piece reaches its end."""
        regular = max(0, -(-(total - self.length) // self.core))
        last = max(0, -(-(total - self.length) // self.hop) * self.hop)
        return [*range(0, regular * self.core, self.core), last]


def in_pieces(
    blocks: Iterable[Waveform], total: int, cut: Cut, apply: Rows, at_once: int
) -> Iterator[Waveform]:
    """Apply `apply` to a stream of (channels, `total`), to `at_once` rows at a time or fewer.

    A row is one channel of one piece. All pieces have the same length (zeros follow the last),
    so they can share a batch; a signal that is not cut keeps its own length.
    """
    if total <= cut.length:
        yield _apply(apply, np.concatenate(list(blocks), axis=1), at_once)
        return
    joint = _Joint(cut, total)
    for batch in _batches(_pieces(blocks, total, cut), at_once):
        done = _apply(apply, np.stack([piece for _, piece in batch]), at_once)
        for (start, _), piece in zip(batch, done, strict=True):
            yield joint.add(start, piece)


def _pieces(blocks: Iterable[Waveform], total: int, cut: Cut) -> Iterator[tuple[int, Waveform]]:
    """First sample and (channels, length) of every piece, in order."""
    source = iter(blocks)
    held, offset = next(source), 0
    for start in cut.starts(total):
        arrived = [held[:, start - offset :]]
        missing = min(start + cut.length, total) - offset - held.shape[1]
        while missing > 0:
            arrived.append(next(source))
            missing -= arrived[-1].shape[1]
        held, offset = np.concatenate(arrived, axis=1) if len(arrived) > 1 else arrived[0], start
        piece = held[:, : cut.length]
        yield start, np.pad(piece, ((0, 0), (0, cut.length - piece.shape[1])))


def _batches(
    pieces: Iterator[tuple[int, Waveform]], rows: int
) -> Iterator[list[tuple[int, Waveform]]]:
    """Group pieces so that their channels together are at most `rows`, or one piece."""
    batch: list[tuple[int, Waveform]] = []
    for start, piece in pieces:
        batch.append((start, piece))
        if (len(batch) + 1) * len(piece) > rows:
            yield batch
            batch = []
    if batch:
        yield batch


def _apply(apply: Rows, waveforms: Waveform, at_once: int) -> Waveform:
    """Apply to (..., time), `at_once` rows at a time: many channels cost time, not memory."""
    rows = waveforms.reshape(-1, waveforms.shape[-1])
    parts = [apply(rows[i : i + at_once]) for i in range(0, len(rows), at_once)]
    return np.concatenate(parts).reshape(waveforms.shape)


class _Joint:
    """What has been joined so far: the end of the signal, and how the last piece goes on."""

    def __init__(self, cut: Cut, total: int) -> None:
        self.cut, self.total, self.end = cut, total, 0
        self.going_on: Waveform | None = None
        self.rise = ((np.arange(cut.fade) + 0.5) / max(cut.fade, 1)).astype(np.float32)

    def add(self, start: int, piece: Waveform) -> Waveform:
        """Return the part of (channels, length) that follows what was joined before."""
        cut, begin = self.cut, self.end
        last = start + cut.length >= self.total
        self.end = self.total if last else start + cut.before + cut.core
        part = piece[:, begin - start : self.end - start].copy()
        if self.going_on is not None:
            head = part[:, : cut.fade]
            head += (1 - self.rise) * (self.going_on - head)
        self.going_on = piece[:, self.end - start : self.end - start + cut.fade]
        return part
