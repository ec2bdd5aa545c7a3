"""Entropy coding: integer tables decide about every bit, and a second decoder agrees."""

import io
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from wpc_files import header, random_codes, written

from wellposed.errors import CheckpointError, DataError, RunError
from wellposed.systems.codec.bitstream import tables as tables_module
from wellposed.systems.codec.bitstream.layers import Codes, Depth
from wellposed.systems.codec.bitstream.reader import Reader
from wellposed.systems.codec.bitstream.tables import (
    PRECISION,
    Tables,
    load_tables,
    save_tables,
    train_tables,
)
from wellposed.systems.codec.bitstream.truncate import truncate

pytest.importorskip("constriction")
BOOKS = (64, 100, 256)


def uneven_codes(frames: int, seed: int, books: tuple[int, ...] = BOOKS) -> Codes:
    """Codes of a Markov chain: what follows depends on what was."""
    rng = np.random.default_rng([7, seed])
    chain = np.random.default_rng(3)
    rows = []
    for size in books:
        weights = chain.dirichlet(np.full(size, 0.05), size=size)
        row = [0]
        for _ in range(frames):
            row.append(int(rng.choice(size, p=weights[row[-1] % 4])))
        rows.append(row[1:])
    return np.array(rows, np.int32)


def whole_number_decoder(
    payload: bytes, depth: Depth, tables: Tables
) -> dict[tuple[int, int], int]:
    """The four steps of docs/wpc-format.md with Python's integers."""
    full = (1 << 64) - 1
    data = payload + bytes(-len(payload) % 4)
    words = [int.from_bytes(data[i : i + 4], "little") for i in range(0, len(data), 4)]
    words += [0, 0]
    low, reach, point, following = 0, full, (words[0] << 32) | words[1], 2
    codes = {}
    for stage in range(depth.layers):
        group = 0
        for frame in depth.frames_of(stage):
            starts = [0, *np.cumsum(tables.frequencies[stage][group]).tolist()]
            scale = reach >> PRECISION
            q = ((point - low) & full) // scale
            code = int(np.searchsorted(starts, q, side="right")) - 1
            low = (low + scale * starts[code]) & full
            reach = scale * (starts[code + 1] - starts[code])
            if reach < 1 << 32:
                word = words[following] if following < len(words) else 0
                low, reach = (low << 32) & full, reach << 32
                point, following = ((point << 32) & full) | word, following + 1
            codes[stage, int(frame)] = code
            group = int(tables.classes[stage][code])
    return codes


@pytest.mark.parametrize("classes", [1, 5])
def test_a_decoder_in_whole_numbers_reads_what_constriction_wrote(classes: int) -> None:
    tables = train_tables([uneven_codes(2000, 0)], BOOKS, classes=classes)
    for seed in range(1, 12):
        codes = uneven_codes(50, seed)
        depth = Depth(2, seed * 4, 50)
        payload = tables.encode(codes, depth)
        decoded = whole_number_decoder(payload, depth, tables)
        assert all(codes[place] == code for place, code in decoded.items())
        ours = tables.decode(payload, depth, 3)
        np.testing.assert_array_equal(ours, depth.limited(codes))


def entropy_bits(rows: NDArray[np.int32]) -> float:
    counts = np.bincount(rows)
    share = counts[counts > 0] / counts.sum()
    return float(-(share * np.log2(share)).sum())


def test_the_size_is_the_entropy_of_the_codes_plus_a_word_a_chunk() -> None:
    codes = uneven_codes(4000, 1)
    tables = train_tables([codes], BOOKS)
    coded = sum(
        len(tables.encode(codes[:, at : at + 50], Depth(3, 0, 50))) for at in range(0, 4000, 50)
    )
    ideal = sum(entropy_bits(row) for row in codes) * 4000 / 8
    assert ideal <= coded <= ideal * 1.01 + 80 * 5


def test_classes_of_the_code_before_save_what_a_chain_has_to_save() -> None:
    train, test = uneven_codes(6000, 0), uneven_codes(1000, 1)
    sizes = {
        classes: train_tables([train], BOOKS, classes=classes).costs(test, Depth(3, 0, 1000)).sum()
        for classes in (1, 4)
    }
    assert sizes[4] < 0.95 * sizes[1]


def test_codes_that_training_never_saw_can_be_coded() -> None:
    tables = train_tables([np.zeros((3, 500), np.int32)], BOOKS, classes=3)
    codes = random_codes(50, 1, BOOKS)
    depth = Depth(3, 0, 50)
    np.testing.assert_array_equal(tables.decode(tables.encode(codes, depth), depth, 3), codes)


def test_a_file_of_coded_codes_comes_back_and_is_smaller() -> None:
    samples, codes = 100_000, uneven_codes(313, 2)
    tables = train_tables([uneven_codes(4000, 0)], BOOKS)
    top = header(samples, books=BOOKS, tables=tables.digest)
    content = written(top, [codes], samples, tables=tables)
    reader = Reader(io.BytesIO(content), "file")
    reader.use(tables)
    parts = [piece.codes for piece in reader.pieces()]
    np.testing.assert_array_equal(np.concatenate([p for p in parts if p is not None], 1), codes)
    assert len(content) < 0.8 * len(written(header(samples, books=BOOKS), [codes], samples))


def test_a_target_bitrate_is_kept_with_entropy_coding_too() -> None:
    samples, codes = 160_000, uneven_codes(500, 2)
    tables = train_tables([uneven_codes(4000, 0)], BOOKS)
    top = header(samples, books=BOOKS, tables=tables.digest)
    content = written(top, [codes], samples, tables=tables, kbps=0.6)
    assert len(content) == pytest.approx(0.6 * 125 * 10, rel=0.02, abs=64)
    sink = io.BytesIO()
    reader = Reader(io.BytesIO(content), "file")
    reader.use(tables)
    truncate(reader, sink, stages=1)
    again = Reader(io.BytesIO(sink.getvalue()), "file")
    again.use(tables)
    parts = [piece.codes for piece in again.pieces()]
    np.testing.assert_array_equal(np.concatenate([p for p in parts if p is not None], 1), codes[:1])


def test_other_tables_than_those_of_the_file_are_refused() -> None:
    tables = train_tables([uneven_codes(500, 0)], BOOKS)
    others = train_tables([uneven_codes(500, 1)], BOOKS)
    top = header(16000, books=BOOKS, tables=tables.digest)
    content = written(top, [uneven_codes(50, 2)], 16000, tables=tables)
    reader = Reader(io.BytesIO(content), "there.wpc")
    with pytest.raises(DataError, match=rf"there\.wpc: coded with .* {tables.digest.hex()}"):
        reader.use(others)


def test_tables_are_integers_on_disk_and_come_back(tmp_path: Path) -> None:
    tables = train_tables([uneven_codes(500, 0)], BOOKS, classes=4)
    save_tables(tmp_path / "tables.safetensors", tables)
    again = load_tables(tmp_path / "tables.safetensors")
    assert again.digest == tables.digest
    for one, other in zip(again.frequencies, tables.frequencies, strict=True):
        np.testing.assert_array_equal(one, other)
        assert (one.sum(axis=1) == 1 << PRECISION).all()
        assert one.min() >= 1


def test_tables_that_do_not_add_up_are_refused() -> None:
    with pytest.raises(CheckpointError, match="stage 0"):
        Tables((np.ones((1, 4), np.int64),), (np.zeros(4, np.int64),))


def test_without_the_package_the_error_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    trained = train_tables([uneven_codes(100, 0)], BOOKS)
    monkeypatch.setattr(tables_module, "find_spec", lambda name: None)
    with pytest.raises(RunError, match=r'pip install "wellposed\[codec\]"'):
        trained.encode(uneven_codes(50, 1), Depth(3, 0, 50))
