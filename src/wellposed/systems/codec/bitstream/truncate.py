"""A lower bitrate from the same codes: stages are left out, nothing is encoded again."""

from dataclasses import replace
from typing import BinaryIO

from wellposed.errors import DataError
from wellposed.systems.codec.bitstream.header import Header
from wellposed.systems.codec.bitstream.layers import Depth
from wellposed.systems.codec.bitstream.reader import Reader
from wellposed.systems.codec.bitstream.writer import Writer


def truncate(
    reader: Reader, sink: BinaryIO, *, stages: int | None = None, kbps: float | None = None
) -> Writer:
    """Copy a file with at most `stages` stages, or so many that it has `kbps`; or both.

    Chunks that are missing stay missing, under their numbers. Needs `reader.use` for a file that
    is entropy-coded. Raises DataError: the file has fewer stages, or its rate is lower already.
    """
    header = reader.header
    if stages is not None and not 1 <= stages <= len(header.books):
        raise DataError(
            f"{reader.name}: asked for {stages} stages, the file has 1 to {len(header.books)}"
        )
    books = header.books[:stages]
    writer = Writer(sink, replace(header, books=books), tables=reader.tables, kbps=kbps)
    for piece in reader.pieces():
        if piece.codes is None or piece.depth is None:
            continue
        writer.number = piece.number
        limit = _limited(piece.depth, len(books))
        samples = _samples(header, piece.second, piece.frames)
        writer.add(piece.codes[: len(books)], piece.level, samples, limit)
    samples = reader.report.samples
    if reader.report.complete and samples is not None:
        writer.number = header.chunks(samples) * header.channels
        writer.close(samples)
    return writer


def _limited(depth: Depth, stages: int) -> Depth:
    return depth if depth.layers <= stages else Depth(stages, 0, depth.frames)


def _samples(header: Header, second: int, frames: int) -> int:
    """Samples at the network's rate that a chunk stands for; the last one may be cut short."""
    whole = frames * header.hop
    if header.samples is None:
        return whole
    return min(whole, header.coded(header.samples) - second * header.chunk_samples)
