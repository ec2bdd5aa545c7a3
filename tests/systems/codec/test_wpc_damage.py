"""Damaged files: what is whole is read, what is not is told, and nothing else happens."""

import io

import numpy as np
import pytest
from wpc_files import header, random_codes, written

from wellposed.systems.codec.bitstream import fuzz
from wellposed.systems.codec.bitstream.chunks import SIZE, Chunk
from wellposed.systems.codec.bitstream.header import Header
from wellposed.systems.codec.bitstream.layers import Depth, pack
from wellposed.systems.codec.bitstream.reader import Reader
from wellposed.systems.codec.bitstream.tables import train_tables
from wellposed.systems.codec.bitstream.writer import Writer

SECONDS = 6
CODES = random_codes(SECONDS * 50)
TOP = header(SECONDS * 16000)
CONTENT = written(TOP, [CODES], SECONDS * 16000)
START, CHUNK = len(TOP.pack()), SIZE + 750


def found(content: bytes) -> tuple[list[int], Reader]:
    """Chunks that were read, every one checked against what was written."""
    reader = Reader(io.BytesIO(content), "file")
    whole = []
    for piece in reader.pieces():
        if piece.codes is not None:
            part = CODES[:, piece.number * 50 : (piece.number + 1) * 50]
            np.testing.assert_array_equal(piece.codes, part)
            whole.append(piece.number)
    return whole, reader


def test_a_flipped_bit_costs_its_chunk_and_the_gap_has_its_place() -> None:
    for place in (0, 1, 2, 3, 5, 6, 8, 9, 12, 14, 400, CHUNK - 1):
        content = bytearray(CONTENT)
        content[START + 2 * CHUNK + place] ^= 0x10
        whole, reader = found(bytes(content))
        assert whole == [0, 1, 3, 4, 5]
        assert any("2.00 to 3.00 s" in sentence for sentence in reader.report.told)
        assert (reader.report.lost, reader.report.complete) == (1, True)


def test_a_cut_is_found_and_costs_the_chunks_it_touches() -> None:
    content = CONTENT[: START + CHUNK + 100] + CONTENT[START + 3 * CHUNK + 5 :]
    whole, reader = found(content)
    assert whole == [0, 4, 5]
    assert reader.report.lost == 3


def test_a_cut_end_is_told() -> None:
    for length in range(START, len(CONTENT), 101):
        whole, reader = found(CONTENT[:length])
        assert whole == list(range((length - START) // CHUNK))
        assert not reader.report.sound
        assert "end record is missing" in reader.report.told[-1]


def test_noise_between_chunks_costs_nothing() -> None:
    noise = np.random.default_rng(1).bytes(5000)
    place = START + 3 * CHUNK
    whole, reader = found(CONTENT[:place] + noise + CONTENT[place:])
    assert whole == [0, 1, 2, 3, 4, 5]
    assert reader.report.damaged_bytes == len(noise)
    assert reader.report.lost == 0


def test_a_chunk_twice_or_late_is_told_and_left_out() -> None:
    chunks = [CONTENT[START + n * CHUNK : START + (n + 1) * CHUNK] for n in range(6)]
    end = CONTENT[START + 6 * CHUNK :]
    whole, reader = found(CONTENT[:START] + b"".join([*chunks[:4], chunks[1], *chunks[4:], end]))
    assert whole == [0, 1, 2, 3, 4, 5]
    assert "was due before" in reader.report.told[0]
    whole, _ = found(CONTENT[:START] + b"".join([chunks[0], end, *chunks[1:], end]))
    assert whole == [0, 1, 2, 3, 4, 5]


def test_two_files_in_a_row_are_the_first_one_and_damage() -> None:
    whole, reader = found(CONTENT + CONTENT)
    assert whole == [0, 1, 2, 3, 4, 5]
    assert reader.report.damaged_bytes > 6 * CHUNK


def test_a_number_far_ahead_cannot_ask_for_days_of_concealment() -> None:
    top = header(None, books=(2,))
    sink = io.BytesIO()
    sink.write(top.pack())
    code = np.zeros((1, 50), np.int32)
    for number in range(0, 65536 * 8, 30_000):
        depth = Depth(1, 0, 50)
        sink.write(Chunk(number, depth, 0, pack(code, depth, (1,))).pack())
    pieces = list(Reader(io.BytesIO(sink.getvalue()), "file").pieces())
    assert len(pieces) <= 3600 + 18


def test_a_file_of_markers_is_read_in_no_time_worth_telling() -> None:
    reader = Reader(io.BytesIO(TOP.pack() + b"\xc3\x5a" * 100_000), "markers")
    assert list(reader.pieces()) == []
    assert reader.report.damaged_bytes == 200_000


@pytest.mark.parametrize("seed", [1, 2])
def test_random_damage_ends_in_an_error_or_in_what_is_whole(seed: int) -> None:
    books = (64,) * 4
    tables = train_tables([random_codes(400, 9, books)], books, classes=2)
    samples = [
        fuzz.sample(Header(16000, 320, books, 50, 75_000, b"weights!"), 1),
        fuzz.sample(Header(8000, 160, (64, 125), 50, 22_222, b"weights!", 2), 2),
    ]
    pytest.importorskip("constriction")
    coded = Header(16000, 320, books, 50, 75_000, b"weights!", tables=tables.digest)
    samples.append(fuzz.sample(coded, 3, tables))
    outcome = fuzz.run(samples, 300, seed)
    assert outcome.failures == []
    assert set(outcome.kinds) == {"gaps reported", "a clear error", "whole"}


def test_a_gap_that_the_writer_left_is_a_gap() -> None:
    sink = io.BytesIO()
    writer = Writer(sink, TOP)
    for number in (0, 1, 4, 5):
        writer.number = number
        writer.add(CODES[:, number * 50 : (number + 1) * 50], 40, 16000)
    writer.close(SECONDS * 16000)
    whole, reader = found(sink.getvalue())
    assert whole == [0, 1, 4, 5]
    assert reader.report.lost == 2
