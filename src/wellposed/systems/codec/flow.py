"""Sound on its way in blocks (channels, time): counted, cut into seconds, cut to a length."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from wellposed.data.audio import Waveform
from wellposed.errors import DataError
from wellposed.systems.codec.bitstream.reader import Report


@dataclass
class Counted:
    """Blocks as they are, counted and checked."""

    blocks: Iterable[Waveform]
    samples: int = 0

    def __iter__(self) -> Iterator[Waveform]:
        for block in self.blocks:
            if not np.isfinite(block).all():
                raise DataError("NaN or infinite samples; repair what made the sound")
            self.samples += block.shape[1]
            yield block


def seconds(blocks: Iterable[Waveform], samples: int) -> Iterator[Waveform]:
    """Cut a stream into pieces of `samples`; the last one may be shorter."""
    held: list[Waveform] = []
    count = 0
    for block in blocks:
        while block.shape[1]:
            part = block[:, : samples - count]
            held.append(part)
            count += part.shape[1]
            block = block[:, part.shape[1] :]
            if count == samples:
                yield np.concatenate(held, axis=1)
                held, count = [], 0
    if count:
        yield np.concatenate(held, axis=1)


def lagging(blocks: Iterable[Waveform]) -> Iterator[Waveform]:
    """Yield each block when the next one has come."""
    held = None
    for block in blocks:
        if held is not None:
            yield held
        held = block
    if held is not None:
        yield held


def clipped(
    blocks: Iterable[Waveform], report: Report, length: Callable[[int], int]
) -> Iterator[Waveform]:
    """Cut a stream at the length of the file as soon as that is known."""
    done = 0
    for block in blocks:
        end = block.shape[1] if report.samples is None else length(report.samples) - done
        part = block[:, : max(0, end)]
        done += part.shape[1]
        yield part


def skipping(blocks: Iterable[Waveform], samples: int) -> Iterator[Waveform]:
    """Leave out the first samples of a stream."""
    for block in blocks:
        kept = block[:, samples:]
        samples = max(0, samples - block.shape[1])
        if kept.shape[1]:
            yield kept
