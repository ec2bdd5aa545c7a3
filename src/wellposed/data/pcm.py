"""Raw PCM through a `LiveStream`, as it comes: for pipes.

Promises: what is ready is written at once; reads may end anywhere, also within a sample; nothing
but samples is written.
"""

from dataclasses import dataclass
from typing import BinaryIO, Literal, Protocol

import numpy as np

from wellposed.data.audio import Waveform, quantised
from wellposed.data.live import LiveStream

PcmFormat = Literal["s16le", "f32le"]
"""Little-endian samples, channels interleaved: 16-bit integers, or floats of full scale 1.0."""
_TYPES: dict[PcmFormat, tuple[str, str]] = {"s16le": ("<i2", "PCM_16"), "f32le": ("<f4", "FLOAT")}
_MOST_BYTES = 1 << 16
"""Of a read; a pipe of Linux holds as many."""


class Unbuffered(Protocol):
    """A source whose reads return what there is, and wait only for the first byte."""

    def read(self, size: int, /) -> bytes | None:
        """Give at most `size` bytes; none at the end."""
        ...


@dataclass
class Passed:
    """What went through a pipe."""

    limited: int = 0
    """Samples beyond full scale that were limited to it."""
    odd_bytes: int = 0
    """Bytes at the end that were no whole sample of every channel, and were left out."""

    def notes(self) -> list[str]:
        """Say in lines what a user should know."""
        told = []
        if self.limited:
            told.append(f"{self.limited} samples beyond full scale were limited to it")
        if self.odd_bytes:
            told.append(
                f"the last {self.odd_bytes} bytes were no whole sample of every channel and were "
                "left out: are --format and --channels those of the input?"
            )
        return told


def pass_pcm(
    stream: LiveStream, source: Unbuffered, sink: BinaryIO, kind: PcmFormat = "s16le"
) -> Passed:
    """Pass raw PCM from `source` through `stream` until it ends; write it to `sink` as it is ready.

    Raises DataError of `LiveStream.push`; BrokenPipeError when the reader has gone.
    """
    code, subtype = _TYPES[kind]
    passed, rest = Passed(), b""
    frame = np.dtype(code).itemsize * (stream.channels or 1)

    def write(block: Waveform) -> None:
        samples, limited = quantised(np.atleast_2d(block), subtype)
        passed.limited += limited
        if samples.size:
            sink.write(samples.astype(code).tobytes())
            sink.flush()

    while got := source.read(_MOST_BYTES):
        known = rest + got
        whole = len(known) // frame * frame
        rest = known[whole:]
        write(stream.push(_decoded(known[:whole], code, stream.channels)))
    passed.odd_bytes = len(rest)
    write(stream.flush())
    return passed


def _decoded(data: bytes, code: str, channels: int | None) -> Waveform:
    samples = np.frombuffer(data, code)
    samples = samples.astype(np.float32) / np.float32(32768 if code == "<i2" else 1)
    return samples if channels is None else samples.reshape(-1, channels).T
