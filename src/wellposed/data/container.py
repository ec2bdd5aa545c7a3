"""Whether the container of an audio file is complete, from its own byte counts.

libsndfile repairs a cut WAV, AIFF, AU, CAF or Ogg silently: it reports the shorter length as if it
were meant. FLAC and MP3 need no check here: their decoding ends before the promised length.
"""

import struct
from pathlib import Path
from typing import BinaryIO

_STREAMED = 0x7FFF_0000  # encoders that write to a pipe leave 2**31 - 1, 2**32 - 1 or similar
_OGG_PAGE = 65_307  # the largest Ogg page: 27 + 255 + 255 * 255 bytes (RFC 3533)
# First bytes -> where the chunks begin, their header, the bytes of it that their size includes,
# what they are padded to.
_CHUNKS = {
    b"RIFF": (12, "<4sI", 0, 2),
    b"RF64": (12, "<4sI", 0, 2),
    b"FORM": (12, ">4sI", 0, 2),
    b"caff": (8, ">4sQ", 0, 1),
    b"riff": (40, "<16sQ", 24, 8),  # Sony Wave64
}


def cut_short(path: Path, kind: str) -> str:
    """Say what is missing at the end of a file ("" when nothing is, or nothing tells).

    `kind` is libsndfile's name of the format.
    """
    if kind == "OGG":
        return _cut_ogg(path)
    with path.open("rb") as file:
        at, promised = _promise(file)
    there = path.stat().st_size - at
    if there < promised:
        return f"the header promises {promised} bytes of samples, {there} are there"
    return ""


def _promise(file: BinaryIO) -> tuple[int, int]:
    """Where the samples begin and how many bytes of them there should be (0: not said)."""
    first = file.read(12)
    if first[:4] == b".snd":  # AU
        at, size = struct.unpack(">II", first[4:])
        return at, size if size < _STREAMED else 0
    if first[:4] not in _CHUNKS:
        return 0, 0
    start, header, included, padding = _CHUNKS[first[:4]]
    file.seek(start)
    long_size = 0
    while len(content := file.read(struct.calcsize(header))) == struct.calcsize(header):
        name, size = struct.unpack(header, content)
        size -= included
        at = file.tell()
        if name == b"ds64":  # RF64 keeps its sizes of 64 bits here
            (long_size,) = struct.unpack("<8xQ", file.read(16))
        if name[:4] in (b"data", b"SSND"):
            unknown = _STREAMED if header.endswith("I") else 2**63
            return at, long_size or (size if size < unknown else 0)
        file.seek(at + size + -size % padding)
    return 0, 0


def _cut_ogg(path: Path) -> str:
    """See whether the last page is there to its last byte."""
    size = path.stat().st_size
    with path.open("rb") as file:
        file.seek(max(0, size - _OGG_PAGE))
        tail = file.read()
    at = tail.rfind(b"OggS")
    page = tail[at:]
    if at < 0 or len(page) < 27 or len(page) < 27 + page[26]:
        return "the last Ogg page has no complete header"
    promised = 27 + page[26] + sum(page[27 : 27 + page[26]])
    if len(page) < promised:
        return f"the last Ogg page promises {promised} bytes, {len(page)} are there"
    return ""
