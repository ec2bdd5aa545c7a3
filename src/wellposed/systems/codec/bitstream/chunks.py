"""One chunk of a .wpc file: a second of one channel, checked and readable without its neighbours.

Chunk number n holds channel `n % channels` of second `n // channels`. The end record is a chunk
without frames that tells the exact length.
"""

import struct
import zlib
from dataclasses import dataclass

from wellposed.systems.codec.bitstream.header import Header
from wellposed.systems.codec.bitstream.layers import Depth

MARKER = b"\xc3\x5a"
"""Begins every chunk; a reader that is lost looks for it."""
WRAP = 1 << 16
"""Chunk numbers are written modulo this."""
_FIELDS = struct.Struct("<2sHHBBBB")
_CRC = struct.Struct("<I")
SIZE = _FIELDS.size + _CRC.size
"""Bytes before the payload."""
END_PAYLOAD = 6
END_SIZE = SIZE + END_PAYLOAD
SILENT = 0
"""Level byte of a chunk whose samples are all zero."""
LARGEST_PAYLOAD = 65535


@dataclass(frozen=True)
class Chunk:
    """A chunk as it stands in the file; `number` is modulo WRAP until its place is known."""

    number: int
    depth: Depth
    level: int
    """0: digital silence; otherwise (1 - level) / 2 is the RMS level [dBFS] before coding."""
    payload: bytes

    @property
    def is_end(self) -> bool:
        """Whether this is the end record."""
        return self.depth.frames == 0

    @property
    def samples(self) -> int:
        """Length of the file in samples per channel, as an end record tells it."""
        return int.from_bytes(self.payload, "little")

    def pack(self) -> bytes:
        """Return the bytes of the chunk."""
        depth = self.depth
        assert len(self.payload) <= LARGEST_PAYLOAD, f"{len(self.payload)} bytes in one chunk"
        fields = _FIELDS.pack(
            MARKER,
            len(self.payload),
            self.number % WRAP,
            depth.stages,
            depth.extra,
            depth.frames,
            self.level,
        )
        check = zlib.crc32(self.payload, zlib.crc32(fields))
        return fields + _CRC.pack(check) + self.payload


def end_record(number: int, samples: int) -> Chunk:
    """Make the chunk that closes a file."""
    return Chunk(number, Depth(0, 0, 0), SILENT, samples.to_bytes(END_PAYLOAD, "little"))


def largest(header: Header) -> int:
    """Return the most bytes that a chunk of this file can have.

    A range coder may need more than the packed codes where the tables find them unlikely: at most
    the 24 bits of the tables' precision for a code, and two words to close.
    """
    if header.tables is None:
        bits = Depth(len(header.books), 0, header.chunk_frames).bits(header.bits)
        return SIZE + max(END_PAYLOAD, -(-bits // 8))
    return SIZE + min(LARGEST_PAYLOAD, 3 * len(header.books) * header.chunk_frames + 8)


def parse(buffer: bytes | bytearray | memoryview, at: int, header: Header) -> Chunk | int | str:
    """Read the chunk that begins at `at`.

    Returns the chunk; or how many bytes from `at` on are needed to decide; or what is wrong.
    """
    view = memoryview(buffer)[at:]
    if len(view) < SIZE:
        return SIZE
    marker, length, number, stages, extra, frames, level = _FIELDS.unpack_from(view)
    if marker != MARKER:
        return "no chunk begins here"
    wrong = _implausible(header, length, Depth(stages, extra, frames))
    if wrong:
        return wrong
    if len(view) < SIZE + length:
        return SIZE + length
    (found,) = _CRC.unpack_from(view, _FIELDS.size)
    payload = view[SIZE : SIZE + length]
    if zlib.crc32(payload, zlib.crc32(view[: _FIELDS.size])) != found:
        return "its checksum differs"
    return Chunk(number, Depth(stages, extra, frames), level, bytes(payload))


def _implausible(header: Header, length: int, depth: Depth) -> str:
    """Say which field of a chunk cannot be right, before anything of its length is read."""
    if depth.frames == 0:
        ends = length == END_PAYLOAD and depth.stages == depth.extra == 0
        return "" if ends else "its end record has other fields than an end record"
    if depth.frames > header.chunk_frames:
        return f"it has {depth.frames} frames, more than {header.chunk_frames}"
    if depth.stages < 1 or depth.layers > len(header.books) or depth.extra >= depth.frames:
        return f"it has {depth.stages} stages and {depth.extra} extra frames"
    if SIZE + length > largest(header):
        return f"its length of {length} bytes is more than its codes can need"
    if header.tables is None and length != -(-depth.bits(header.bits) // 8):
        return f"its length of {length} bytes does not fit its codes"
    return ""
