"""What one audio file contains: level, peak, offset, flat tops, broken samples.

One pass in blocks, so a file of any length fits. A file that cannot be read to its end gives
facts with `problem` set, never an exception.
"""

import hashlib
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from wellposed.data import audio
from wellposed.data.fingerprint import Fingerprint, Listener
from wellposed.errors import DataError

_BLOCK = 1 << 20  # samples per channel, 65 s at 16 kHz
_FLAT_RUN = 3
_BELOW_SHARE = 0.002
_STEP = 2**-15  # one step of 16 bit


@dataclass(frozen=True)
class Facts:
    """One file, measured. Levels are relative to full scale; 0 dB is a constant 1.0."""

    rate: int = 0
    """Hz"""
    channels: int = 0
    frames: int = 0
    level_db: float = -math.inf
    """of the mean power over all channels"""
    peak: float = 0.0
    offset: float = 0.0
    """mean of the channel where it is largest in size"""
    offset_share: float = 0.0
    """share of the power that this offset makes up"""
    flat: int = 0
    """samples in flat tops"""
    nonfinite: int = 0
    """samples that are NaN or infinite"""
    nonfinite_s: float = 0.0
    """time of the first of them"""
    digest: str = ""
    """of the decoded samples: equal for a WAV and a FLAC of the same recording"""
    problem: str = ""
    """why the file cannot be read"""

    @property
    def seconds(self) -> float:
        """Duration in seconds."""
        return self.frames / self.rate if self.rate else 0.0


def measure(path: Path) -> tuple[Facts, Fingerprint | None]:
    """Read a file once; the fingerprint is None when the file cannot be read."""
    try:
        info = audio.inspect(path)
        gathered = _Gatherer(info.rate, info.channels)
        for block in audio.blocks(path, _BLOCK, allow_nonfinite=True):
            gathered.add(block)
    except DataError as error:
        return Facts(problem=str(error)), None
    return gathered.facts(), gathered.listener.finish()


def flat_samples(signal: audio.Waveform) -> int:
    """Count samples of (time,) that lie in flat tops, the mark of clipping.

    A top is flat when at least 3 samples in a row have exactly the largest (or lowest) value, and
    such samples are more than twice as many as those just below (0.2 % of the peak, at least 2
    steps of 16 bit). A band-limited signal meets its maximum in a single sample; only rounding
    makes the top of a slow, quiet tone flat, and then the steps just below are as crowded. The
    value itself does not matter: clipping before a fader is found too. After resampling or a
    lossy codec tops are no longer flat, and are not found.
    """
    return _flat_top(signal) + _flat_top(-signal)


def _flat_top(signal: audio.Waveform) -> int:
    top = signal.max()
    if top <= 0:
        return 0
    edges = np.flatnonzero(np.diff(np.pad((signal == top).astype(np.int8), 1)))
    lengths = edges[1::2] - edges[::2]
    flat = int(lengths[lengths >= _FLAT_RUN].sum())
    if not flat:
        return 0
    margin = max(_BELOW_SHARE * top, 2 * _STEP)
    just_below = np.count_nonzero((signal < top) & (signal >= top - margin))
    return flat if flat > 2 * just_below else 0


class _Gatherer:
    """Sums over the blocks of one file."""

    def __init__(self, rate: int, channels: int) -> None:
        self.listener = Listener(rate)
        self._rate = rate
        self._hash = hashlib.blake2b(f"{rate} {channels} ".encode(), digest_size=16)
        self._frames = self._flat = self._nonfinite = 0
        self._nonfinite_at = -1
        self._sum = np.zeros(channels)
        self._power = np.zeros(channels)
        self._peak = 0.0

    def add(self, block: audio.Waveform) -> None:
        """Take the next (channels, time)."""
        self._hash.update(block.T.tobytes())  # time first: independent of the block length
        broken = ~np.isfinite(block)
        if broken.any():
            if self._nonfinite_at < 0:
                self._nonfinite_at = self._frames + int(np.argmax(broken.any(axis=0)))
            self._nonfinite += int(broken.sum())
            block = np.where(broken, np.float32(0), block)
        self._frames += block.shape[1]
        self._sum += block.sum(axis=1, dtype=np.float64)
        self._power += np.square(block, dtype=np.float64).sum(axis=1)
        self._peak = max(self._peak, float(np.abs(block).max()))
        self._flat += sum(map(flat_samples, block))
        self.listener.add(block.mean(axis=0))

    def facts(self) -> Facts:
        """The measures of all blocks together."""
        means, powers = self._sum / self._frames, self._power / self._frames
        worst = int(np.argmax(np.abs(means)))
        power = float(powers.mean())
        return Facts(
            rate=self._rate,
            channels=len(means),
            frames=self._frames,
            level_db=10 * math.log10(power) if power > 0 else -math.inf,
            peak=self._peak,
            offset=float(means[worst]),
            offset_share=float(means[worst] ** 2 / powers[worst]) if powers[worst] > 0 else 0.0,
            flat=self._flat,
            nonfinite=self._nonfinite,
            nonfinite_s=max(self._nonfinite_at, 0) / self._rate,
            digest=self._hash.hexdigest(),
        )
