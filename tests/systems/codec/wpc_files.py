"""Files of made-up codes, for the tests of the format."""

import io

import numpy as np

from wellposed.systems.codec.bitstream.header import Header
from wellposed.systems.codec.bitstream.layers import Codes
from wellposed.systems.codec.bitstream.tables import Tables
from wellposed.systems.codec.bitstream.writer import Writer

MODEL = b"weights!"
BOOKS = (1024,) * 12


def header(samples: int | None, **changes: object) -> Header:
    """16 kHz, 50 frames a second, 12 books of 1024."""
    given = {
        "rate": 16000, "hop": 320, "books": BOOKS, "chunk_frames": 50, "samples": samples,
        "model": MODEL, **changes,
    }  # fmt: skip
    return Header(**given)  # pyrefly: ignore[bad-argument-type]


def random_codes(frames: int, seed: int = 0, books: tuple[int, ...] = BOOKS) -> Codes:
    """Uniform ones."""
    rng = np.random.default_rng(seed)
    return rng.integers(0, np.array(books)[:, None], (len(books), frames)).astype(np.int32)


def written(
    top: Header,
    channels: list[Codes],
    samples: int,
    *,
    tables: Tables | None = None,
    kbps: float | None = None,
) -> bytes:
    """The bytes of a file."""
    sink = io.BytesIO()
    writer = Writer(sink, top, tables=tables, kbps=kbps)
    for second in range(top.chunks(samples)):
        for codes in channels:
            part = codes[:, second * top.chunk_frames : (second + 1) * top.chunk_frames]
            left = samples - second * top.chunk_samples
            writer.add(part, 40, min(top.chunk_samples, left))
    writer.close(samples)
    assert writer.bytes == len(sink.getvalue())
    return sink.getvalue()
