"""The level of a chunk: measured, taken out before the network, put back after it.

A network that was trained at speaking levels codes a whisper at -60 dBFS badly, or as silence. The
level of each chunk goes into the file, and the network sees all of them near the same one.
"""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from wellposed.systems.codec.bitstream.chunks import SILENT
from wellposed.systems.codec.bitstream.writer import level_byte, level_db

Samples = NDArray[np.float32]


@dataclass
class Leveller:
    """Chooses the level byte of one chunk after the other of a channel.

    A level stays as long as the network can work with it, so that most recordings have one gain
    from end to end: each change is a discontinuity for the network. It changes when a chunk is
    more than `span_db` louder, or would go beyond full scale; or when two chunks in a row are
    more than `span_db` quieter (one of them may be a pause).
    """

    target_db: int
    """RMS level [dBFS] that the network is given."""
    span_db: float
    """How far from it the network was trained."""
    level: int = field(default=SILENT, init=False)
    quiet: bool = field(default=False, init=False)

    def next(self, chunk: Samples) -> int:
        """Return the level byte of the next chunk (time,): SILENT, or that of its gain."""
        peak = float(np.abs(chunk).max(initial=0))
        if peak == 0:
            return SILENT
        rms = float(np.sqrt(np.mean(np.square(chunk, dtype=np.float64))))
        # At `loudest` the peak just reaches full scale.
        loudest = peak * 10 ** (self.target_db / 20)
        own = level_byte(max(rms, loudest))
        if self.level == SILENT:
            self.level = own
            return own
        above = level_db(own) - level_db(self.level)
        before, self.quiet = self.quiet, above < -self.span_db
        loud = above > self.span_db or loudest > 10 ** ((level_db(self.level) + 0.5) / 20)
        if loud or (before and self.quiet):
            self.level, self.quiet = own, False
        return self.level


def gain(level: int, target_db: int) -> float:
    """Factor that brings a chunk of this level byte to `target_db`; 0 for silence."""
    return 0.0 if level == SILENT else float(10 ** ((target_db - level_db(level)) / 20))


def gains(before: int, level: int, target_db: int, hop: int, samples: int) -> NDArray[np.float32]:
    """Gain of each sample of a chunk: from that of the chunk before to its own, in one frame.

    From silence, or with nothing before, there is no way to go: its own from the first sample on.
    The last sample of the frame has the chunk's own gain. With `target_db` 0 all gains are 1.
    """
    own, start = gain(level, target_db), gain(before, target_db)
    if target_db == 0:
        own = start = 1.0
    made = np.full(samples, own, np.float32)
    if SILENT not in (level, before) and own != start:
        steps = np.arange(1, hop + 1, dtype=np.float64) / hop
        made[:hop] = (start + (own - start) * steps)[:samples]
    return made
