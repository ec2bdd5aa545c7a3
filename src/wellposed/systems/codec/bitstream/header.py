"""The header of a .wpc file: what is needed before the first code can be read.

Promise: at most 64 bytes; no field of a damaged or hostile header is believed before its checksum
and its bounds are checked, so nothing is allocated that the bounds do not allow.
"""

import struct
import zlib
from dataclasses import dataclass
from itertools import groupby
from typing import BinaryIO

from wellposed.errors import DataError

MAGIC = b"\x93WPC"
"""A first byte beyond ASCII shows a transfer that strips the eighth bit."""
VERSION = 1
LARGEST = 64
"""Bytes of the longest header."""
UNKNOWN = 2**48 - 1
"""Number of samples of a stream whose end was not known when its header was written."""
MOST_STAGES = 64
MOST_RUNS = 8
LARGEST_BOOK = 65536
MOST_CHANNELS = 64
HIGHEST_RATE = 192_000
HIGHEST_SOURCE_RATE = 768_000
LONGEST_CHUNK_S = 10
"""Bounds what one chunk can decode to: 1.92 million samples at the highest rate."""

_FIXED = struct.Struct("<4s5B3s3sHb6s8s4s")
_RUN = struct.Struct("<BH")
_CRC = struct.Struct("<I")
_ENTROPY = 1


@dataclass(frozen=True)
class Header:
    """Everything that holds for the whole file."""

    rate: int
    """Hz, of the network."""
    hop: int
    """Samples per frame."""
    books: tuple[int, ...]
    """Number of codes of every stage that the file may use."""
    chunk_frames: int
    """Frames of every chunk but the last of a channel."""
    samples: int | None
    """Per channel, at the rate of the recording; None when the end record tells."""
    model: bytes
    """First 8 bytes of the digest of the weights."""
    channels: int = 1
    level_db: int = 0
    """RMS level [dBFS] at which the network was given every chunk; 0: as the signal was."""
    source_rate: int | None = None
    """Hz, of the recording; None: that of the network."""
    tables: bytes | None = None
    """First 4 bytes of the digest of the frequency tables; None: codes are packed, not coded."""

    def pack(self) -> bytes:
        """Return the header as it stands in the file."""
        runs = _runs(self.books)
        body = _FIXED.pack(
            MAGIC,
            VERSION,
            0 if self.tables is None else _ENTROPY,
            self.channels,
            self.chunk_frames,
            len(runs),
            self.rate.to_bytes(3, "little"),
            self.output_rate.to_bytes(3, "little"),
            self.hop,
            self.level_db,
            (UNKNOWN if self.samples is None else self.samples).to_bytes(6, "little"),
            self.model,
            self.tables or bytes(4),
        )
        body += b"".join(_RUN.pack(count, size - 1) for count, size in runs)
        return body + _CRC.pack(zlib.crc32(body))

    def __post_init__(self) -> None:
        """Check every bound; DataError names the field."""
        bounds = {
            "rate": (self.rate, 1, HIGHEST_RATE),
            "rate of the recording": (self.output_rate, 1, HIGHEST_SOURCE_RATE),
            "hop": (self.hop, 1, 65535),
            "frames per chunk": (self.chunk_frames, 1, 255),
            "stages": (len(self.books), 1, MOST_STAGES),
            "channels": (self.channels, 1, MOST_CHANNELS),
            "level": (self.level_db, -100, 0),
            "smallest codebook": (min(self.books, default=0), 2, LARGEST_BOOK),
            "largest codebook": (max(self.books, default=0), 2, LARGEST_BOOK),
            "runs of equal codebooks": (len(_runs(self.books)), 1, MOST_RUNS),
            "samples": (self.samples or 0, 0, UNKNOWN - 1),
            "bytes of the model's digest": (len(self.model), 8, 8),
            "bytes of the tables' digest": (len(self.tables or bytes(4)), 4, 4),
            "seconds of a chunk": (
                self.chunk_frames * self.hop / max(self.rate, 1),
                0,
                LONGEST_CHUNK_S,
            ),
        }
        for name, (value, low, high) in bounds.items():
            if not low <= value <= high:
                raise DataError(f"wpc header: {name} is {value}, wanted {low} to {high}")

    @property
    def chunk_samples(self) -> int:
        """Samples of a full chunk."""
        return self.chunk_frames * self.hop

    @property
    def bits(self) -> tuple[int, ...]:
        """Bits of a code of every stage when codes are packed."""
        return tuple((size - 1).bit_length() for size in self.books)

    @property
    def output_rate(self) -> int:
        """Rate of the recording [Hz], at which its samples are counted."""
        return self.source_rate or self.rate

    def coded(self, samples: int) -> int:
        """Return how many samples at the rate of the network so many of the recording are."""
        return -(-samples * self.rate // self.output_rate)

    def chunks(self, samples: int) -> int:
        """Return how many chunks a channel of so many samples of the recording has."""
        return -(-self.coded(samples) // self.chunk_samples)

    def frames(self, samples: int) -> int:
        """Return how many frames a channel of so many samples of the recording has."""
        return -(-self.coded(samples) // self.hop)


def read_header(stream: BinaryIO, name: str) -> tuple[Header, int]:
    """Read the header at the beginning of a stream; return it and its length in bytes.

    Raises DataError: no .wpc file, another version, damaged, or a field out of its bounds.
    """
    start = _exactly(stream, _FIXED.size)
    if start[: len(MAGIC)] != MAGIC:
        raise DataError(
            f"{name}: no .wpc file: it begins with {start[:4].hex(' ') or 'nothing'}, wanted "
            f"{MAGIC.hex(' ')}; either its first bytes are damaged, or it is another file"
        )
    if len(start) > 4 and start[4] != VERSION:
        raise DataError(
            f"{name}: version {start[4]} of the format, this program reads version {VERSION}; "
            "use a newer wellposed, or the byte is damaged: fetch the file again"
        )
    runs = start[8] if len(start) == _FIXED.size else 0
    rest = runs * _RUN.size + _CRC.size
    whole = start + (_exactly(stream, rest) if 0 < runs <= MOST_RUNS else b"")
    sound = runs and len(whole) == _FIXED.size + rest
    if not sound or _CRC.unpack(whole[-4:])[0] != zlib.crc32(whole[:-4]):
        raise DataError(
            f"{name}: the header is damaged or cut off (after {len(whole)} bytes; they do not have "
            "their checksum); fetch the file again"
        )
    try:
        return _parsed(whole), len(whole)
    except DataError as error:
        raise DataError(f"{name}: {error}") from error


def _parsed(whole: bytes) -> Header:
    (_, _, flags, channels, chunk_frames, _, rates, source, hop, level, length, model, tables) = (
        _FIXED.unpack_from(whole)
    )
    rate, source_rate = (int.from_bytes(each, "little") for each in (rates, source))
    if not source_rate:
        raise DataError("wpc header: rate of the recording is 0")
    if flags & ~_ENTROPY:
        raise DataError(f"wpc header: unknown flags {flags:#04x}; use a newer wellposed")
    books: list[int] = []
    for count, size in _RUN.iter_unpack(whole[_FIXED.size : -_CRC.size]):
        books += [size + 1] * count
    samples = int.from_bytes(length, "little")
    return Header(
        rate=rate,
        source_rate=None if source_rate == rate else source_rate,
        hop=hop,
        books=tuple(books),
        chunk_frames=chunk_frames,
        samples=None if samples == UNKNOWN else samples,
        model=model,
        channels=channels,
        level_db=level,
        tables=tables if flags & _ENTROPY else None,
    )


def _runs(books: tuple[int, ...]) -> list[tuple[int, int]]:
    return [(len(list(same)), size) for size, same in groupby(books)]


def _exactly(stream: BinaryIO, count: int) -> bytes:
    """Read `count` bytes, fewer only at the end: a pipe may give less at a time."""
    parts = b""
    while len(parts) < count and (part := stream.read(count - len(parts))):
        parts += part
    return parts
