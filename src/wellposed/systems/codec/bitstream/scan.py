"""Chunks out of a stream that may be damaged: what is whole comes out in order, the rest is told.

Promise: memory for two chunks, time proportional to the length of the stream, no exception for any
bytes whatever after a sound header.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import BinaryIO

from wellposed.systems.codec.bitstream.chunks import END_SIZE, MARKER, SIZE, WRAP, Chunk, parse
from wellposed.systems.codec.bitstream.header import Header

_BLOCK = 1 << 16
LONGEST_GAP = 3600
"""Chunks that may be missing although nothing in the file stands for them. More only as many as
have been read: a hostile file must not ask for days of concealment with a few bytes."""


@dataclass(frozen=True)
class Damage:
    """Bytes `start` to `end` of the stream that are no chunk, and why."""

    start: int
    end: int
    reason: str


@dataclass(frozen=True)
class Missing:
    """Chunks `first` to `last - 1` that should have been there."""

    first: int
    last: int


def chunks(stream: BinaryIO, header: Header, start: int) -> Iterator[tuple[int, Chunk] | Damage]:
    """Read chunks with their places from a stream that stands at byte `start`, after the header.

    Damaged stretches are passed over to the next chunk that is whole.
    """
    buffer, at, ended = bytearray(), 0, False
    lost, reason = -1, ""
    while True:
        result = parse(buffer, at, header)
        if isinstance(result, int) and not ended:
            del buffer[:at]
            start, at = start + at, 0
            more = stream.read(_BLOCK)
            buffer += more
            ended = not more
            continue
        if isinstance(result, int):
            if at == len(buffer):
                break
            result = "the file ends within it"
        if isinstance(result, Chunk):
            if lost >= 0:
                yield Damage(lost, start + at, reason)
                lost = -1
            yield start + at, result
            at += SIZE + len(result.payload)
            continue
        if lost < 0:
            lost, reason = start + at, result
        at = _next_marker(buffer, at + 1)
    if lost >= 0:
        yield Damage(lost, start + len(buffer), reason)


def ordered(
    found: Iterator[tuple[int, Chunk] | Damage], header: Header, first: int = 0
) -> Iterator[Chunk | Missing | Damage]:
    """Give chunks their whole numbers, from `first` on, and name those that are missing.

    A chunk that comes late or twice, or lies beyond the end that the header tells, is damage. The
    end record comes last if it is there; what follows it is damage.
    """
    expected, good, missing = first, 0, 0
    total, closing = None, None
    if header.samples is not None:
        total = header.chunks(header.samples) * header.channels
    for item in found:
        if isinstance(item, Damage):
            yield item
            continue
        place, chunk = item
        end = place + SIZE + len(chunk.payload)
        ahead = (chunk.number - expected) % WRAP
        number = expected + ahead
        reason = _misplaced(chunk, number, total, header)
        if ahead >= WRAP // 2:
            reason = f"its number {chunk.number} was due before"
        elif missing + ahead > max(LONGEST_GAP, good):
            reason = f"its number {chunk.number} says that {ahead} chunks are missing before it"
        elif chunk.is_end and closing:
            reason = "it is a second end record"
        if reason:
            yield Damage(place, end, reason)
            continue
        if closing:
            yield Damage(closing[0], closing[0] + END_SIZE, "an end record, but chunks follow it")
            closing = None
        if chunk.is_end:
            closing = place, replace(chunk, number=number)
            continue
        if ahead:
            yield Missing(expected, number)
        missing, good, expected = missing + ahead, good + 1, number + 1
        yield replace(chunk, number=number)
    if closing:
        if closing[1].number > expected:
            yield Missing(expected, closing[1].number)
        yield closing[1]
    elif total and good and 0 < total - expected <= max(LONGEST_GAP, good) - missing:
        yield Missing(expected, total)


def _misplaced(chunk: Chunk, number: int, total: int | None, header: Header) -> str:
    """Say why a chunk cannot have this number, "" if it can."""
    if chunk.is_end:
        if header.samples is not None and chunk.samples != header.samples:
            return f"it tells {chunk.samples} samples, the header {header.samples}"
        if header.chunks(chunk.samples) * header.channels != number:
            return f"it tells {chunk.samples} samples, which are not {number} chunks"
        return ""
    if total is None:
        return ""
    if number >= total:
        return f"its number {number} lies beyond the last chunk, {total - 1}"
    second = number // header.channels
    wanted = min(
        header.chunk_frames, header.frames(header.samples or 0) - second * header.chunk_frames
    )
    return "" if chunk.depth.frames == wanted else f"it has {chunk.depth.frames} frames of {wanted}"


def _next_marker(buffer: bytearray, at: int) -> int:
    """Return where the next marker begins, or the last place where half of one may stand."""
    found = buffer.find(MARKER, at)
    if found >= 0:
        return found
    return len(buffer) - (len(buffer) > at and buffer[-1] == MARKER[0])
