"""Reading a .wpc file: codes in order, gaps by name, a beginning anywhere.

Promise: what is whole is read, whatever stands around it; every gap is told with its place and its
reason; memory does not grow with the file, nor with what a damaged field says.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import BinaryIO

from wellposed.errors import DataError
from wellposed.systems.codec.bitstream.chunks import SILENT, WRAP, Chunk, largest
from wellposed.systems.codec.bitstream.header import read_header
from wellposed.systems.codec.bitstream.layers import Codes, Depth, unpack
from wellposed.systems.codec.bitstream.scan import Damage, Missing, chunks, ordered
from wellposed.systems.codec.bitstream.tables import Tables

MOST_TOLD = 20
"""Stretches of damage that a report spells out; the rest is counted."""


@dataclass(frozen=True)
class Piece:
    """One second of one channel."""

    number: int
    channel: int
    second: int
    """Which chunk of its channel this is, from 0."""
    frames: int
    codes: Codes | None
    """(stages, frames), ABSENT where a frame has no code of a stage; None: the chunk is lost."""
    level: int
    depth: Depth | None = None


@dataclass
class Report:
    """What was found while reading."""

    chunks: int = 0
    """Whole ones."""
    lost: int = 0
    """Missing ones before the last that was found."""
    payload: int = 0
    """Bytes of codes."""
    samples: int | None = None
    """Length of a channel, from the header or the end record."""
    complete: bool = False
    """Whether the end record was reached."""
    damaged_bytes: int = 0
    damages: int = 0
    told: list[str] = field(default_factory=list)
    """Sentences about damage and gaps, at most MOST_TOLD."""

    def tell(self, sentence: str) -> None:
        """Keep a sentence, if there is still room."""
        if len(self.told) < MOST_TOLD:
            self.told.append(sentence)

    def words(self) -> str:
        """Say what is wrong, in a clause or more."""
        parts = [
            f"{self.chunks} chunks read, {self.lost} lost and concealed, "
            f"{self.damaged_bytes} bytes unreadable",
            *self.told,
        ]
        more = self.damages - len(self.told)
        return "; ".join([*parts, f"{more} more"] if more > 0 else parts)

    @property
    def sound(self) -> bool:
        """Whether the file is whole."""
        return self.complete and not self.lost and not self.damages


class Reader:
    """Reads a stream from its header to its end, once."""

    def __init__(self, stream: BinaryIO, name: str, tables: Tables | None = None) -> None:
        """Read the header. Raises DataError as `read_header`; `name` is for messages."""
        self.stream, self.name = stream, name
        self.header, self.at = read_header(stream, name)
        self.report = Report(samples=self.header.samples)
        self.tables = tables
        self.first = 0

    def use(self, tables: Tables) -> None:
        """Take the tables that an entropy-coded file needs. Raises DataError: they are others."""
        header = self.header
        if header.tables != tables.digest:
            raise DataError(
                f"{self.name}: coded with the frequency tables "
                f"{header.tables.hex() if header.tables else 'none'}, these are "
                f"{tables.digest.hex()}; give the weights that the file was made with"
            )
        if tables.books[: len(header.books)] != header.books:
            raise DataError(f"{self.name}: its codebooks {header.books} are not {tables.books}")
        self.tables = tables

    def seek(self, second: int) -> int:
        """Go to the last chunk of channel 0 at or before chunk `second` of it that can be found.

        Needs a stream that can seek; returns the chunk that will come first. Files of more than
        65 536 chunks, or of a length that the header does not tell, are read from their beginning,
        since their numbers may repeat.
        """
        wanted = second * self.header.channels
        low, start = self.at, 0
        size, samples = self.stream.seek(0, 2), self.report.samples
        total = WRAP + 1 if samples is None else self.header.chunks(samples) * self.header.channels
        high = size if total <= WRAP else low
        while high - low > 4 * largest(self.header):
            middle = (low + high) // 2
            self.stream.seek(middle)
            found = chunks(self.stream, self.header, middle)
            place = next((item for item in found if isinstance(item, tuple)), None)
            if place is None or place[1].is_end or place[1].number > wanted:
                high = middle
            else:
                low, start = place[0], place[1].number
        self.stream.seek(low)
        self.at, self.first = low, start
        return start // self.header.channels

    def items(self) -> Iterator[Chunk | Missing]:
        """Give chunks and gaps in order; damage goes to the report."""
        header, report = self.header, self.report
        for item in ordered(chunks(self.stream, header, self.at), header, self.first):
            if isinstance(item, Damage):
                report.damages += 1
                report.damaged_bytes += item.end - item.start
                report.tell(f"bytes {item.start} to {item.end}: {item.reason}")
                continue
            if isinstance(item, Missing):
                yield from self._gap(item)
                continue
            if item.is_end:
                report.complete, report.samples = True, item.samples
                continue
            yield item
        if not report.complete:
            report.tell("the end record is missing: the file is cut off, or its end is damaged")

    def pieces(self) -> Iterator[Piece]:
        """Give the codes of chunk after chunk, lost ones included, to the last that was found."""
        for item in self.items():
            if isinstance(item, Missing):
                for number in range(item.first, item.last):
                    yield self._piece(number, self._frames(number), None, SILENT)
                continue
            codes = self._codes(item)
            if codes is None:
                self.report.damages += 1
                self.report.lost += 1
                self.report.tell(f"chunk {item.number}: its codes cannot be decoded")
            else:
                self.report.chunks += 1
                self.report.payload += len(item.payload)
            yield self._piece(item.number, item.depth.frames, codes, item.level, item.depth)

    def _gap(self, gap: Missing) -> Iterator[Missing]:
        header = self.header
        self.report.lost += gap.last - gap.first
        seconds = header.chunk_samples / header.rate
        at = gap.first // header.channels * seconds
        to = ((gap.last - 1) // header.channels + 1) * seconds
        self.report.tell(
            f"chunks {gap.first} to {gap.last - 1} are missing ({at:.2f} to {to:.2f} s)"
        )
        yield gap

    def _frames(self, number: int) -> int:
        """Return how many frames a chunk has of which only the number is known."""
        header, samples = self.header, self.report.samples
        if samples is None:
            return header.chunk_frames
        before = number // header.channels * header.chunk_frames
        return min(header.chunk_frames, header.frames(samples) - before)

    def _piece(
        self, number: int, frames: int, codes: Codes | None, level: int, depth: Depth | None = None
    ) -> Piece:
        second, channel = divmod(number, self.header.channels)
        return Piece(number, channel, second, frames, codes, level, depth)

    def _codes(self, chunk: Chunk) -> Codes | None:
        if self.header.tables is None:
            return unpack(chunk.payload, chunk.depth, self.header.books)
        assert self.tables is not None, "an entropy-coded file is read with its tables: use()"
        return self.tables.decode(chunk.payload, chunk.depth, len(self.header.books))
