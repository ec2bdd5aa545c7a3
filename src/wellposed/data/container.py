"""Whether the container of an audio file is complete, from its own byte counts.

libsndfile repairs a cut WAV or Ogg silently: it reports the shorter length as if it were meant.
FLAC and MP3 need no check here, because their decoding ends before the promised length.
"""

import struct
from pathlib import Path

_STREAMED = 0x7FFF_0000  # encoders that write to a pipe leave 2**31 - 1, 2**32 - 1 or similar
_OGG_PAGE = 65_307  # the largest Ogg page: 27 + 255 + 255 * 255 bytes (RFC 3533)


def cut_short(path: Path, kind: str) -> str:
    """Say what is missing at the end of a WAV or Ogg file ("" when nothing is).

    `kind` is libsndfile's name of the format.
    """
    if kind in ("WAV", "WAVEX"):
        return _cut_wav(path)
    return _cut_ogg(path) if kind == "OGG" else ""


def _cut_wav(path: Path) -> str:
    """Compare the size that the `data` chunk promises with the bytes that are there."""
    size = path.stat().st_size
    with path.open("rb") as file:
        if file.read(12)[:4] != b"RIFF":
            return ""
        while len(header := file.read(8)) == 8:
            name, promised = struct.unpack("<4sI", header)
            if name == b"data":
                there = size - file.tell()
                if there < promised < _STREAMED:
                    return f"the header promises {promised} bytes of samples, {there} are there"
                return ""
            file.seek(promised + promised % 2, 1)
    return ""


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
