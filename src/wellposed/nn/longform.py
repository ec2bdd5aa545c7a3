"""A recording of several channels through sweeps: from blocks to blocks, by way of a tape."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from itertools import chain

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from wellposed.nn.sweeps import Sweeps
from wellposed.nn.tape import Tape

Block = NDArray[np.float32]
Heard = Callable[[int, int, Tensor], None]
"""Told channel, first frame and the features `(frames, bands, features)` of the last layer."""


def swept(
    sweeps: Sweeps,
    blocks: Iterable[Block],
    advance: Callable[[float], None] | None = None,
    heard: Heard | None = None,
) -> Iterator[Block]:
    """Sweep blocks (channels, time), one at least, of as many samples as `sweeps` has; same out.

    `advance` is told the share of the work that is done, 0 to 1. Raises RunError: no disk space.
    """
    source = iter(blocks)
    start = next(source)
    channels, written = len(start), 0
    with ExitStack() as stack:
        audio = stack.enter_context(Tape((channels,)))
        for block in chain([start], source):
            audio.write(written, block.T)
            written += block.shape[1]
        ticks = iter(range(1, sweeps.ticks * channels + 1))

        def tick() -> None:
            done = next(ticks) / (sweeps.ticks * channels)
            if advance is not None:
                advance(done)

        for channel in range(channels):
            sweeps.run(audio, channel, tick, _of(channel, heard))
        step = sweeps.chunk * sweeps.stft.hop
        for first in range(0, written, step):
            yield audio.read(first, min(step, written - first)).T


def _of(channel: int, heard: Heard | None) -> Callable[[int, Tensor], None] | None:
    if heard is None:
        return None
    return lambda first, features: heard(channel, first, features)
