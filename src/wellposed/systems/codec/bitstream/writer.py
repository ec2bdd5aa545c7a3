"""Writing a .wpc file chunk by chunk, to any stream.

Promise: the bytes depend on the codes, the levels and the settings alone, not on when they are
handed over; nothing is held back, and no seeking is needed.
"""

from collections.abc import Callable
from math import log10
from typing import BinaryIO

from wellposed.systems.codec.bitstream.budget import Budget
from wellposed.systems.codec.bitstream.chunks import SILENT, SIZE, Chunk, end_record
from wellposed.systems.codec.bitstream.header import Header
from wellposed.systems.codec.bitstream.layers import Codes, Depth, pack
from wellposed.systems.codec.bitstream.tables import Tables


def level_byte(rms: float) -> int:
    """Return the byte of a level: steps of 0.5 dB from 1 (0 dBFS) to 255 (-127 dBFS)."""
    if rms <= 0:
        return SILENT
    return min(255, max(1, 1 - round(40 * log10(rms))))


def level_db(byte: int) -> float:
    """Return the level [dBFS] of a byte other than SILENT."""
    assert byte != SILENT, "digital silence has no level"
    return (1 - byte) / 2


class Writer:
    """Writes the header at once, then a chunk at each call."""

    def __init__(
        self,
        sink: BinaryIO,
        header: Header,
        *,
        tables: Tables | None = None,
        kbps: float | None = None,
    ) -> None:
        """Write to `sink`; with `kbps` stages are left out so that the file has that rate.

        `tables` are wanted if and only if the header names them.
        """
        assert (header.tables is None) == (tables is None), "header and tables disagree"
        self.sink, self.header, self.tables = sink, header, tables
        self.budget = None if kbps is None else Budget(header, kbps)
        self.number = 0
        self.bytes = sink.write(header.pack())

    def add(self, codes: Codes, level: int, samples: int, limit: Depth | None = None) -> Chunk:
        """Write the next chunk: codes (stages, frames) for `samples` at the network's rate.

        Chunks come second by second, and in each second channel by channel. `limit` tells which
        codes are there, where some are absent.
        """
        stages, frames = codes.shape
        assert stages == len(self.header.books), f"{stages} stages for {self.header.books}"
        depth = limit or Depth(stages, 0, frames)
        if self.budget:
            depth = self.budget.depth(depth, samples, self._size(codes, depth))
        payload = self._coded(codes, depth)
        chunk = Chunk(self.number, depth, level, payload)
        self._write(chunk)
        if self.budget:
            self.budget.spend(len(payload), samples)
        return chunk

    def close(self, samples: int) -> None:
        """Write the end record; `samples` is the length at the recording's rate."""
        told = self.header.samples
        assert told in (None, samples), f"the header promises {told} samples, not {samples}"
        self._write(end_record(self.number, samples))

    def _size(self, codes: Codes, limit: Depth) -> Callable[[Depth], float]:
        """Return what tells the bytes of a payload; by the range coder all but its last word."""
        if self.tables is None:
            return lambda depth: -(-depth.bits(self.header.bits) // 8)
        costs = self.tables.costs(codes, limit)
        return lambda depth: (
            sum(costs[stage, depth.frames_of(stage)].sum() for stage in range(depth.layers)) / 8
        )

    def _coded(self, codes: Codes, depth: Depth) -> bytes:
        if self.tables is None:
            return pack(codes, depth, self.header.bits)
        return self.tables.encode(codes, depth)

    def _write(self, chunk: Chunk) -> None:
        self.sink.write(chunk.pack())
        self.bytes += SIZE + len(chunk.payload)
        self.number += 1
