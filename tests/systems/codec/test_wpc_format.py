"""docs/wpc-format.md against the program: the worked example read by a second reader."""

import io
import re
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest

from wellposed.errors import DataError
from wellposed.systems.codec.bitstream.header import LARGEST, UNKNOWN, Header, read_header
from wellposed.systems.codec.bitstream.layers import ABSENT, Depth
from wellposed.systems.codec.bitstream.reader import Reader
from wellposed.systems.codec.bitstream.writer import Writer, level_byte, level_db

DOCUMENT = Path(__file__).resolve().parents[3] / "docs" / "wpc-format.md"
MODEL = bytes.fromhex("0123456789abcdef")


def example() -> bytes:
    blocks = re.findall(r"```\n([0-9a-f \n]+)```", DOCUMENT.read_text(encoding="utf-8"))
    assert len(blocks) == 1, "the document has one example"
    return bytes.fromhex(blocks[0])


def second_reader(content: bytes) -> tuple[dict[str, object], list[dict[str, object]]]:
    """Read a packed file by the tables of the document, with struct and zlib alone."""
    runs, hop, level = content[8], *struct.unpack_from("<Hb", content, 15)
    rate, source = (int.from_bytes(content[at : at + 3], "little") for at in (9, 12))
    end = 36 + 3 * runs
    assert struct.unpack_from("<I", content, end)[0] == zlib.crc32(content[:end])
    books: list[int] = []
    for count, size in struct.iter_unpack("<BH", content[36:end]):
        books += [size + 1] * count
    low, high = struct.unpack_from("<IH", content, 18)
    facts: dict[str, object] = {
        "version": content[4], "flags": content[5], "channels": content[6],
        "chunk": content[7], "rate": rate, "hop": hop, "level": level,
        "samples": low + (high << 32), "model": content[24:32], "books": books, "source": source,
    }  # fmt: skip
    at, found = end + 4, []
    while at < len(content):
        marker, length, number, stages, extra, frames, level = struct.unpack_from(
            "<2sHHBBBB", content, at
        )
        payload = content[at + 14 : at + 14 + length]
        assert marker == b"\xc3\x5a"
        assert struct.unpack_from("<I", content, at + 10)[0] == zlib.crc32(
            content[at : at + 10] + payload
        )
        at += 14 + length
        if frames == 0:
            found.append({"number": number, "end": int.from_bytes(payload, "little")})
            continue
        bits = "".join(f"{byte:08b}" for byte in payload)
        codes: dict[tuple[int, int], int] = {}
        for stage, size in enumerate(books):
            width = (size - 1).bit_length()
            for i in range(frames):
                extended = (i + 1) * extra // frames > i * extra // frames
                if stage < stages or (stage == stages and extended):
                    codes[stage, i] = int(bits[:width], 2)
                    bits = bits[width:]
        assert set(bits) <= {"0"}
        assert len(bits) < 8
        found.append({"number": number, "level": level, "codes": codes})
    return facts, found


def test_the_example_of_the_document_has_the_values_that_the_document_tells() -> None:
    facts, found = second_reader(example())
    assert facts == {
        "version": 1, "flags": 0, "channels": 1, "chunk": 4, "rate": 8000, "hop": 160,
        "level": -20, "samples": 1000, "model": MODEL, "books": [16, 16, 5],
        "source": 8000,
    }  # fmt: skip
    first = {(0, i): 1 + i for i in range(4)} | {(1, i): 8 + i for i in range(4)}
    assert found[0] == {"number": 0, "level": 0x29, "codes": first | {(2, 1): 1, (2, 3): 3}}
    assert found[1]["level"] == 0
    last = dict(zip(((s, i) for s in range(3) for i in range(3)), (5, 6, 7, 12, 13, 14, 4, 0, 1)))  # noqa: B905
    assert found[1]["codes"] == last
    assert found[2] == {"number": 2, "end": 1000}


def test_the_writer_writes_the_example_byte_for_byte() -> None:
    sink = io.BytesIO()
    writer = Writer(sink, Header(8000, 160, (16, 16, 5), 4, 1000, MODEL, level_db=-20))
    codes = np.array(
        [[1, 2, 3, 4, 5, 6, 7], [8, 9, 10, 11, 12, 13, 14], [0, 1, 2, 3, 4, 0, 1]], np.int32
    )
    writer.add(codes[:, :4], level_byte(0.1), 640, Depth(2, 2, 4))
    writer.add(codes[:, 4:], level_byte(0.0), 360)
    writer.close(1000)
    assert sink.getvalue() == example()
    assert writer.bytes == len(example())


def test_the_reader_reads_the_example_as_the_second_reader_does() -> None:
    reader = Reader(io.BytesIO(example()), "example")
    pieces = list(reader.pieces())
    _, found = second_reader(example())
    for piece, told in zip(pieces, found, strict=False):
        codes = told["codes"]
        assert piece.codes is not None
        assert isinstance(codes, dict)
        present = {
            (int(s), int(i)) for s, i in zip(*np.nonzero(piece.codes != ABSENT), strict=True)
        }
        assert {place: int(piece.codes[place]) for place in present} == codes
        assert piece.level == told["level"]
    assert reader.report.sound
    assert reader.report.samples == 1000


@pytest.mark.parametrize("size", [2, 1000, 1024, 65536])
def test_a_header_comes_back_as_it_was_and_takes_at_most_64_bytes(size: int) -> None:
    header = Header(48000, 960, (size,) * 3 + (4,) * 5, 50, None, MODEL, 2, -23, 44100, b"abcd")
    packed = header.pack()
    assert len(packed) <= LARGEST
    assert read_header(io.BytesIO(packed), "x") == (header, len(packed))
    assert int.from_bytes(packed[18:24], "little") == UNKNOWN


def test_the_longest_header_fits_into_64_bytes() -> None:
    header = Header(16000, 320, (2, 3, 4, 5, 6, 7, 8, 9), 50, 1, MODEL)
    assert len(header.pack()) == 36 + 3 * 8 + 4 <= LARGEST


def test_every_changed_byte_of_a_header_is_an_error_that_names_the_file() -> None:
    content = example()
    for place in range(46):
        for change in (1, 0x80):
            damaged = bytearray(content)
            damaged[place] ^= change
            with pytest.raises(DataError, match=r"there\.wpc"):
                Reader(io.BytesIO(bytes(damaged)), "there.wpc")


def test_a_newer_version_is_told_from_damage() -> None:
    content = bytearray(example())
    content[4] = 2
    with pytest.raises(DataError, match="version 2 of the format"):
        read_header(io.BytesIO(bytes(content)), "x")


def test_a_header_out_of_bounds_is_refused_though_its_checksum_is_right() -> None:
    content = bytearray(example()[:46])
    content[9:12] = (4_000_000).to_bytes(3, "little")
    content[42:46] = struct.pack("<I", zlib.crc32(content[:42]))
    with pytest.raises(DataError, match="rate is 4000000"):
        read_header(io.BytesIO(bytes(content)), "x")


def test_levels_go_in_steps_of_half_a_decibel_and_zero_is_silence() -> None:
    assert level_byte(0.0) == 0
    assert level_byte(1.0) == 1
    assert level_db(level_byte(1.0)) == 0.0
    assert level_db(level_byte(10 ** (-60 / 20))) == -60.0
    for level in np.linspace(-126.9, 0, 97):
        assert abs(level_db(level_byte(10 ** (level / 20))) - level) <= 0.25 + 1e-9
    assert level_byte(1e-30) == 255
    assert level_byte(8.0) == 1
