"""WAV through pipes: read and written from front to back, never seeking.

libsndfile seeks in its files; standard input and output cannot. Here are only the forms that pipes
carry: PCM of 16, 24 and 32 bits and 32-bit floating point. Blocks are (channels, time), float32.
"""

import struct
from collections.abc import Iterator
from typing import BinaryIO

import numpy as np

from wellposed.data.audio import Waveform, quantised
from wellposed.errors import DataError

_UNKNOWN = 0xFFFF_FFFF
_STREAMED = 0x7FFF_0000
"""From here on a size is what programs write that do not know the length."""
_EXTENSIBLE, _PCM, _FLOAT = 0xFFFE, 1, 3
_BLOCK = 1 << 16


class WavInput:
    """A WAV stream that is read once."""

    def __init__(self, stream: BinaryIO, name: str) -> None:
        """Read up to the first sample. Raises DataError: no WAV, or a form that is not known."""
        self.stream, self.name = stream, name
        if (start := _read(stream, 12))[:4] not in (b"RIFF", b"RF64") or start[8:] != b"WAVE":
            raise DataError(
                f"{name}: no WAV stream, it begins with {start[:12].hex(' ') or 'nothing'}; "
                "convert it, for instance with `ffmpeg -i IN -f wav -`"
            )
        self._form()
        step = self.channels * self.width
        known = 0 < self.size < _STREAMED
        self.samples = self.size // step if known else None
        """Per channel; None when the header does not tell."""

    def _form(self) -> None:
        form = b""
        while True:
            head = _read(self.stream, 8)
            if len(head) < 8:
                raise DataError(f"{self.name}: the WAV stream ends before its samples")
            kind, size = struct.unpack("<4sI", head)
            if kind == b"data":
                break
            if size > 1 << 20:
                raise DataError(f"{self.name}: a chunk of {size} bytes before the samples")
            content = _read(self.stream, size + size % 2)
            form = content if kind == b"fmt " else form
        if len(form) < 16:
            raise DataError(f"{self.name}: a WAV stream without a format before its samples")
        tag, self.channels, self.rate, _, _, bits = struct.unpack("<HHIIHH", form[:16])
        if tag == _EXTENSIBLE and len(form) >= 26:
            tag = struct.unpack("<H", form[24:26])[0]
        self.width, self.float = bits // 8, tag == _FLOAT
        known = (tag == _PCM and bits in (16, 24, 32)) or (tag == _FLOAT and bits == 32)
        if not known or not self.channels or not self.rate:
            raise DataError(
                f"{self.name}: WAV form {tag} with {bits} bits, {self.channels} channels, "
                f"{self.rate} Hz; wanted PCM of 16, 24 or 32 bits or float of 32"
            )
        self.size = size

    def blocks(self) -> Iterator[Waveform]:
        """Read the samples. Raises DataError: the stream ends before its length."""
        step, done = self.channels * self.width, 0
        while self.samples is None or done < self.samples:
            wanted = _BLOCK if self.samples is None else min(_BLOCK, self.samples - done)
            data = _read(self.stream, wanted * step)
            got = len(data) // step
            if got < wanted and self.samples is not None:
                raise DataError(
                    f"{self.name}: the header tells {self.samples} samples, the stream ends "
                    f"after {done + got}"
                )
            if not got:
                return
            done += got
            yield self._samples(data[: got * step]).reshape(-1, self.channels).T

    def _samples(self, data: bytes) -> np.ndarray:
        if self.float:
            return np.frombuffer(data, "<f4").astype(np.float32)
        if self.width == 2:
            return np.frombuffer(data, "<i2").astype(np.float32) / 2**15
        if self.width == 4:
            return (np.frombuffer(data, "<i4") / 2**31).astype(np.float32)
        parts = np.frombuffer(data, np.uint8).reshape(-1, 3)
        wide = np.zeros((len(parts), 4), np.uint8)
        wide[:, 1:] = parts
        return (wide.view("<i4")[:, 0] / 2**31).astype(np.float32)


class WavOutput:
    """A WAV stream of 16 bits that is written once."""

    def __init__(self, stream: BinaryIO, rate: int, channels: int, samples: int | None) -> None:
        """Write the header; `samples` per channel, None when nobody knows."""
        self.stream, self.limited = stream, 0
        size = _UNKNOWN - 44 if samples is None else 2 * channels * samples
        size = min(size, _UNKNOWN - 44)
        head = struct.pack("<4sI4s", b"RIFF", size + 36, b"WAVE")
        form = struct.pack(
            "<4sIHHIIHH", b"fmt ", 16, _PCM, channels, rate, 2 * channels * rate, 2 * channels, 16
        )
        stream.write(head + form + struct.pack("<4sI", b"data", size))

    def write(self, block: Waveform) -> None:
        """Write (channels, time); samples beyond full scale are limited to it and counted."""
        data, limited = quantised(block, "PCM_16")
        self.stream.write(np.ascontiguousarray(data).astype("<i2").tobytes())
        self.limited += limited


def _read(stream: BinaryIO, count: int) -> bytes:
    """Read `count` bytes, fewer only at the end: a pipe may give less at a time."""
    parts = []
    while count and (part := stream.read(count)):
        parts.append(part)
        count -= len(part)
    return b"".join(parts)
