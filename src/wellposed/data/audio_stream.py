"""Audio of any length in bounded memory: resampled and written block by block.

Promises: blocks are (channels, time), float32. Streamed resampling has the samples of resampling
at once; a stream has exactly the length asked for; a file appears only when it is complete.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from wellposed.data.audio import Waveform, quantised, replacing, require_finite, storage

_WAV_BYTES = 2**32 - 2**20
"""Samples that fit a WAV file, whose sizes have 32 bits; 1 MiB is left for its headers."""
_FINE = {"PCM_24": 3, "PCM_32": 4, "FLOAT": 4, "DOUBLE": 8}
"""Subtypes beyond 16 bits, and their bytes per sample."""
_BLOCK = 1 << 20


def resampled(
    blocks: Iterable[Waveform], from_rate: int, to_rate: int, length: int | None
) -> Iterator[Waveform]:
    """Change the rate of a stream by soxr HQ; `length` samples come out in all.

    No delay: sample 0 stays at time 0. Beyond its end the input counts as zero. Without `length`
    as many come out as the duration of the input, rounded up to a sample.
    """
    taken = _Counted(blocks)
    done = 0
    changed = taken if from_rate == to_rate else _changed(taken, from_rate, to_rate)
    block = None
    for block in changed:
        limit = -(-taken.count * to_rate // from_rate) if length is None else length
        part = block[:, : limit - done]
        done += part.shape[1]
        if part.shape[1]:
            yield part
    assert block is not None, "a stream has at least one block, or the channels are not known"
    limit = -(-taken.count * to_rate // from_rate) if length is None else length
    if done < limit:
        yield np.zeros((len(block), limit - done), np.float32)


class _Counted:
    """Blocks, and how many samples have been taken so far."""

    def __init__(self, blocks: Iterable[Waveform]) -> None:
        self.blocks, self.count = blocks, 0

    def __iter__(self) -> Iterator[Waveform]:
        for block in self.blocks:
            self.count += block.shape[1]
            yield block


def _changed(blocks: Iterable[Waveform], from_rate: int, to_rate: int) -> Iterator[Waveform]:
    stream = None
    for block in blocks:
        stream = stream or RateStream(from_rate, to_rate, len(block))
        for start in range(0, block.shape[1], _BLOCK):
            yield stream.push(block[:, start : start + _BLOCK])
    if stream is not None:
        yield stream.flush()


class RateStream:
    """Changes the rate of a stream piece by piece, by soxr HQ; equal rates pass through.

    Sample 0 stays at time 0: the filter's delay is a wait for output, not a shift of it. How many
    samples a push gives is soxr's own affair.
    """

    def __init__(self, from_rate: int, to_rate: int, channels: int) -> None:
        """Begin a stream of `channels` from `from_rate` to `to_rate` [Hz]."""
        self.rates, self.channels = (from_rate, to_rate), channels
        self._soxr = None
        if from_rate != to_rate:
            self._soxr = soxr.ResampleStream(
                from_rate, to_rate, channels, dtype="float32", quality="HQ"
            )

    def push(self, block: Waveform) -> Waveform:
        """Take (channels, time) and give what is ready."""
        if self._soxr is None or not block.shape[1]:
            return block
        return self._shaped(self._soxr.resample_chunk(np.ascontiguousarray(block.T)))

    def flush(self) -> Waveform:
        """Give the rest, about a sample more than the input lasted; the stream is over."""
        if self._soxr is None:
            return np.zeros((self.channels, 0), np.float32)
        # soxr rounds the length of its output; so many zeros let it reach the next whole sample.
        from_rate, to_rate = self.rates
        tail = np.zeros((-(-from_rate // to_rate) + 1, self.channels), np.float32)
        return self._shaped(self._soxr.resample_chunk(tail, last=True))

    def _shaped(self, made: NDArray[np.float32]) -> Waveform:
        return made.reshape(-1, self.channels).T


@dataclass
class Sink:
    """An audio file being written; `limited` counts samples beyond full scale so far."""

    file: soundfile.SoundFile
    path: Path
    subtype: str
    limited: int = field(default=0, init=False)

    def write(self, block: Waveform) -> None:
        """Append (channels, time). Raises DataError for NaN or infinite samples."""
        require_finite(self.path, block, self.file.frames, self.file.samplerate)
        data, limited = quantised(block, self.subtype)
        self.file.write(np.ascontiguousarray(data))
        self.limited += limited


@contextmanager
def writing(
    path: Path, rate: int, channels: int, *, frames: int, subtype: str | None = None
) -> Iterator[Sink]:
    """Open `path` to write `frames` samples per channel in blocks; all or nothing.

    Format and subtype as `audio.write`; a .wav too large for WAV becomes RF64, which holds any
    size under the same name. Raises DataError: as `audio.write`.
    """
    kind, subtype = storage(path, subtype)
    if kind == "WAV" and frames * channels * _FINE.get(subtype, 2) > _WAV_BYTES:
        kind = "RF64"
    with (
        replacing(path, f"{kind} {subtype} allows {channels} channels at {rate} Hz") as partial,
        soundfile.SoundFile(str(partial), "w", rate, channels, subtype, format=kind) as file,
    ):
        yield Sink(file, path, subtype)


def fine_subtype(source: Path, target: Path) -> str | None:
    """Subtype that keeps a resolution beyond 16 bits; None when the usual one of `target` does.

    24 bits stand in for 32 and for floating point in a format that has neither, such as FLAC.
    `source` has passed `audio.inspect`. Raises DataError: a suffix that cannot be written.
    """
    subtype = soundfile.info(str(source)).subtype
    if subtype not in _FINE:
        return None
    kind, _ = storage(target, None)
    known = soundfile.available_subtypes(kind)
    return next((name for name in (subtype, "PCM_24") if name in known), None)
