"""Whole files: what goes in comes out, sizes are as promised, layers and places can be chosen."""

import io

import numpy as np
import pytest
from wpc_files import header, random_codes, written

from wellposed.errors import DataError
from wellposed.systems.codec.bitstream.budget import code_kbps, promised_kbps
from wellposed.systems.codec.bitstream.layers import ABSENT, Codes, Depth
from wellposed.systems.codec.bitstream.reader import Reader
from wellposed.systems.codec.bitstream.truncate import truncate


def codes_of(content: bytes, channel: int = 0) -> Codes:
    reader = Reader(io.BytesIO(content), "file")
    parts = [piece.codes for piece in reader.pieces() if piece.channel == channel]
    assert reader.report.sound, reader.report
    return np.concatenate([part for part in parts if part is not None], axis=1)


@pytest.mark.parametrize("samples", [1, 319, 320, 321, 15999, 16000, 16001, 50_000])
@pytest.mark.parametrize("channels", [1, 2, 3])
def test_codes_come_back_whatever_the_length_and_the_channels(samples: int, channels: int) -> None:
    top = header(samples, channels=channels)
    codes = [random_codes(top.frames(samples), seed) for seed in range(channels)]
    content = written(top, codes, samples)
    for channel in range(channels):
        np.testing.assert_array_equal(codes_of(content, channel), codes[channel])


def test_books_that_are_no_power_of_two_come_back() -> None:
    top = header(9600, books=(945, 2, 65536, 3))
    codes = random_codes(30, 5, top.books)
    np.testing.assert_array_equal(codes_of(written(top, [codes], 9600)), codes)


def test_the_length_may_be_told_by_the_end_alone() -> None:
    codes = random_codes(160)
    known = written(header(51_000), [codes], 51_000)
    unknown = written(header(None), [codes], 51_000)
    reader = Reader(io.BytesIO(unknown), "stream")
    assert reader.report.samples is None
    assert sum(1 for _ in reader.pieces()) == 4
    assert reader.report.samples == 51_000
    differing = [i for i, (a, b) in enumerate(zip(known, unknown, strict=True)) if a != b]
    assert set(differing) <= {*range(18, 24), *range(39, 43)}


def test_the_size_of_a_file_is_the_promised_rate_within_two_percent_and_64_bytes() -> None:
    seconds = 30
    content = written(header(seconds * 16000), [random_codes(seconds * 50)], seconds * 16000)
    assert promised_kbps(header(1)) == pytest.approx(764 * 8 / 1000)
    assert code_kbps(header(1)) == pytest.approx(6.0)
    assert len(content) - 64 <= code_kbps(header(1)) * 125 * seconds * 1.02
    assert len(content) - 64 <= promised_kbps(header(1)) * 125 * seconds <= len(content)


@pytest.mark.parametrize("kbps", [1.0, 2.4, 3.0, 4.71, 6.0])
@pytest.mark.parametrize("channels", [1, 2])
def test_a_target_bitrate_is_kept_to_a_code_and_the_header(kbps: float, channels: int) -> None:
    samples = 101_234
    top = header(samples, channels=channels)
    codes = [random_codes(top.frames(samples), seed) for seed in range(channels)]
    content = written(top, codes, samples, kbps=kbps * channels)
    wanted = kbps * channels * 125 * samples / 16000
    assert abs(len(content) - len(top.pack()) - wanted) <= 2 * channels
    for channel, whole in enumerate(codes):
        kept = codes_of(content, channel)
        np.testing.assert_array_equal(kept[kept != ABSENT], whole[kept != ABSENT])
        depths = (kept != ABSENT).sum(axis=0)
        assert depths.min() >= 1
        # No frame skips a stage: absent stages are the last ones.
        assert (np.diff((kept != ABSENT).astype(int), axis=0) <= 0).all()


def test_the_lowest_target_is_kept_within_64_bytes() -> None:
    samples = 101_234
    top = header(samples)
    content = written(top, [random_codes(top.frames(samples))], samples, kbps=0.62)
    assert abs(len(content) - 0.62 * 125 * samples / 16000) <= 64 + 0.02 * len(content)


def test_a_target_that_the_weights_cannot_reach_is_refused_with_the_range() -> None:
    for kbps in (0.3, 9.0):
        with pytest.raises(DataError, match=r"can do 0\.62 to 6\.11 kbit/s"):
            written(header(16000), [random_codes(50)], 16000, kbps=kbps)


def test_frames_with_an_extra_stage_are_spread_evenly() -> None:
    for frames in (1, 7, 50, 255):
        for extra in range(frames):
            chosen = Depth(3, extra, frames).frames_of(3)
            assert len(chosen) == extra
            assert not extra or np.diff(chosen, prepend=-1).max() <= -(-frames // extra)


def test_truncation_leaves_stages_out_and_nothing_else() -> None:
    samples = 40_000
    codes = random_codes(125)
    content = written(header(samples), [codes], samples)
    for stages in (1, 5, 12):
        sink = io.BytesIO()
        truncate(Reader(io.BytesIO(content), "file"), sink, stages=stages)
        fewer = written(header(samples, books=(1024,) * stages), [codes[:stages]], samples)
        assert sink.getvalue() == fewer
    sink = io.BytesIO()
    truncate(Reader(io.BytesIO(content), "file"), sink, kbps=2.2)
    assert sink.getvalue() == written(header(samples), [codes], samples, kbps=2.2)
    again = io.BytesIO()
    truncate(Reader(io.BytesIO(sink.getvalue()), "file"), again, stages=2)
    np.testing.assert_array_equal(codes_of(again.getvalue()), codes[:2])


def test_truncation_of_a_truncated_file_to_a_rate_is_that_of_the_whole_file() -> None:
    samples, codes = 40_000, random_codes(125)
    content = written(header(samples), [codes], samples)
    first, second = io.BytesIO(), io.BytesIO()
    truncate(Reader(io.BytesIO(content), "file"), first, kbps=4.0)
    truncate(Reader(io.BytesIO(first.getvalue()), "file"), second, kbps=1.5)
    assert second.getvalue() == written(header(samples), [codes], samples, kbps=1.5)


def test_more_stages_than_the_file_has_are_refused() -> None:
    content = written(header(16000), [random_codes(50)], 16000)
    with pytest.raises(DataError, match="13 stages, the file has 1 to 12"):
        truncate(Reader(io.BytesIO(content), "file"), io.BytesIO(), stages=13)


@pytest.mark.parametrize("channels", [1, 2])
def test_a_reader_may_begin_anywhere(channels: int) -> None:
    seconds = 40
    codes = [random_codes(seconds * 50, seed) for seed in range(channels)]
    content = written(header(seconds * 16000, channels=channels), codes, seconds * 16000)
    for second in (0, 1, 17, 38, 39):
        reader = Reader(io.BytesIO(content), "file")
        first = reader.seek(second)
        assert second - 8 <= first <= second
        assert next(reader.pieces()).second == first
        assert [piece.second for piece in Reader(io.BytesIO(content), "file").pieces()][-1] == 39


class Trickle(io.BytesIO):
    """A pipe that gives a few bytes at a time."""

    def read(self, size: int | None = -1, /) -> bytes:
        return super().read(min(7, size) if size and size > 0 else 7)


def test_a_pipe_that_gives_a_few_bytes_at_a_time_is_read_alike() -> None:
    content = written(header(40_000), [random_codes(125)], 40_000)
    reader = Reader(Trickle(content), "pipe")
    pieces = [piece.codes for piece in reader.pieces()]
    assert reader.report.sound
    expected = codes_of(content)
    np.testing.assert_array_equal(np.concatenate([p for p in pieces if p is not None], 1), expected)
