"""Damage done on purpose: random mutations of a .wpc file, and what reading them comes to.

Each case is a pure function of (seed, number). A reader may end with a DataError, or with codes;
it may never end otherwise, never return a code that was not written, and never miss a chunk whose
bytes are all there (half of the cases; the other half repairs the checksums after the damage, as a
hostile writer would, and only has to end well).
"""

import io
import struct
import time
import zlib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from wellposed.errors import DataError
from wellposed.systems.codec.bitstream.chunks import SIZE
from wellposed.systems.codec.bitstream.header import Header
from wellposed.systems.codec.bitstream.layers import Codes
from wellposed.systems.codec.bitstream.reader import Reader
from wellposed.systems.codec.bitstream.tables import Tables
from wellposed.systems.codec.bitstream.writer import Writer

Mutation = Callable[[bytearray, np.random.Generator], None]


@dataclass
class Sample:
    """A sound file to damage, and what is in it."""

    content: bytes
    codes: list[Codes]
    """Of each chunk."""
    places: list[tuple[int, int]]
    """First and last byte + 1 of each chunk."""
    tables: Tables | None = None


@dataclass
class Outcome:
    """What many cases came to."""

    cases: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    """How often reading ended as what."""
    failures: list[str] = field(default_factory=list)
    """What must not happen, with the number of the case."""
    slowest_s: float = 0.0
    took_s: float = 0.0


def sample(header: Header, seed: int, tables: Tables | None = None) -> Sample:
    """Make a file of random codes, 3 to 6 chunks a channel."""
    rng = np.random.default_rng(seed)
    sink = io.BytesIO()
    writer = Writer(sink, header, tables=tables)
    samples = header.samples or 0
    codes, places = [], []
    for number in range(header.chunks(samples) * header.channels):
        second = number // header.channels
        frames = min(header.chunk_frames, header.frames(samples) - second * header.chunk_frames)
        sizes = np.array(header.books)[:, None]
        part = rng.integers(0, sizes, (len(header.books), frames)).astype(np.int32)
        before = writer.bytes
        writer.add(part, int(rng.integers(0, 256)), frames * header.hop)
        codes.append(part)
        places.append((before, writer.bytes))
    writer.close(samples)
    return Sample(sink.getvalue(), codes, places, tables)


@dataclass
class Case:
    """A damaged copy of a sample."""

    content: bytes
    origin: Sample
    hostile: bool
    """Whether checksums were repaired after the damage."""
    label: str
    """Its number, and what was done."""


def damaged(samples: list[Sample], seed: int, number: int) -> Case:
    """Damage one of the samples, by (seed, number) alone."""
    rng = np.random.default_rng([seed, number])
    origin = samples[number % len(samples)]
    content = bytearray(origin.content)
    done = [_MUTATIONS[int(rng.integers(len(_MUTATIONS)))] for _ in range(int(rng.integers(1, 4)))]
    for mutation in done:
        mutation(content, rng)
    hostile = number // len(samples) % 2 == 1
    if hostile:
        repair(content)
    names = ", ".join(mutation.__name__ for mutation in done)
    return Case(bytes(content), origin, hostile, f"case {number}: {names}")


def run(samples: list[Sample], cases: int, seed: int = 0) -> Outcome:
    """Read `cases` damaged copies of the samples."""
    outcome = Outcome()
    began = time.perf_counter()
    for number in range(cases):
        case = damaged(samples, seed, number)
        started = time.perf_counter()
        try:
            kind = _read(case.content, case.origin, check=not case.hostile)
        except (ArithmeticError, AssertionError, LookupError, MemoryError, OSError) as error:
            kind = f"{type(error).__name__}: {error}"
        except (RuntimeError, TypeError, ValueError, struct.error) as error:
            kind = f"{type(error).__name__}: {error}"
        if kind not in _GOOD:
            outcome.failures.append(f"{case.label}: {kind}")
            kind = "failure"
        outcome.kinds[kind] += 1
        outcome.slowest_s = max(outcome.slowest_s, time.perf_counter() - started)
        outcome.cases += 1
    outcome.took_s = time.perf_counter() - began
    return outcome


_GOOD = ("a clear error", "gaps reported", "whole")


def _read(content: bytes, each: Sample, *, check: bool) -> str:
    """Read a damaged copy; the kind of its end, or what must not be."""
    try:
        reader = Reader(io.BytesIO(content), "fuzz")
        if each.tables is not None and reader.header.tables is not None:
            reader.use(each.tables)
        elif reader.header.tables is not None:
            return "a clear error"
        pieces = {piece.number: piece.codes for piece in reader.pieces()}
    except DataError:
        return "a clear error"
    if check:
        for number, codes in pieces.items():
            known = number < len(each.codes)
            if codes is not None and not (known and np.array_equal(codes, each.codes[number])):
                return "a code that was not written"
        if content.startswith(each.content[: each.places[0][0]]):
            for number in _kept(content, each):
                if pieces.get(number) is None:
                    return f"chunk {number} is whole and in its order, but was not read"
    return "whole" if reader.report.sound else "gaps reported"


def _kept(content: bytes, each: Sample) -> list[int]:
    """Chunks that are in the damaged copy, whole and once, all in their order."""
    found = [content.find(each.content[start:end]) for start, end in each.places]
    places = [place for place in found if place >= 0]
    counts = [content.count(each.content[start:end]) for start, end in each.places]
    if places != sorted(places) or max(counts) > 1:
        return []
    return [number for number, place in enumerate(found) if place >= 0]


def repair(content: bytearray) -> None:
    """Give the header and every chunk that can be found the checksum of what it holds now."""
    runs = content[8] if len(content) > 8 else 0
    end = 36 + 3 * runs
    if len(content) >= end + 4:
        struct.pack_into("<I", content, end, zlib.crc32(content[:end]))
    at = content.find(b"\xc3\x5a")
    while 0 <= at <= len(content) - SIZE:
        length = struct.unpack_from("<H", content, at + 2)[0]
        check = zlib.crc32(
            content[at + SIZE : at + SIZE + length], zlib.crc32(content[at : at + 10])
        )
        struct.pack_into("<I", content, at + 10, check)
        at = content.find(b"\xc3\x5a", at + SIZE + length)


def _span(content: bytearray, rng: np.random.Generator) -> tuple[int, int]:
    start = int(rng.integers(0, len(content) + 1))
    return start, min(len(content), start + int(2 ** rng.uniform(0, 10)))


def flip_bits(content: bytearray, rng: np.random.Generator) -> None:
    """Flip one to eight bits."""
    for _ in range(int(rng.integers(1, 9)) if content else 0):
        content[int(rng.integers(len(content)))] ^= 1 << int(rng.integers(8))


def flip_header(content: bytearray, rng: np.random.Generator) -> None:
    """Set one byte of the first 64 to anything."""
    if content:
        content[int(rng.integers(min(64, len(content))))] = int(rng.integers(256))


def overwrite(content: bytearray, rng: np.random.Generator) -> None:
    """Replace a stretch by noise, by zeros or by markers."""
    start, end = _span(content, rng)
    kind = rng.integers(3)
    noise = rng.bytes(end - start)
    markers = (b"\xc3\x5a" * (end - start))[: end - start]
    content[start:end] = (noise, bytes(end - start), markers)[kind]


def delete(content: bytearray, rng: np.random.Generator) -> None:
    """Remove a stretch."""
    start, end = _span(content, rng)
    del content[start:end]


def insert(content: bytearray, rng: np.random.Generator) -> None:
    """Insert noise."""
    start, end = _span(content, rng)
    content[start:start] = rng.bytes(end - start)


def repeat(content: bytearray, rng: np.random.Generator) -> None:
    """Insert a stretch of the file itself elsewhere."""
    start, end = _span(content, rng)
    place = int(rng.integers(0, len(content) + 1))
    content[place:place] = content[start:end]


def truncate(content: bytearray, rng: np.random.Generator) -> None:
    """Cut the end off."""
    del content[int(rng.integers(0, len(content) + 1)) :]


_MUTATIONS: tuple[Mutation, ...] = (
    flip_bits, flip_header, overwrite, delete, insert, repeat, truncate,
)  # fmt: skip
