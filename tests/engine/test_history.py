"""Rows are written once, survive a kill, and come back as they were."""

import json
import math
import resource
from pathlib import Path

import pytest

from wellposed.engine.storage.history import History, read_history
from wellposed.engine.storage.torn import is_torn
from wellposed.errors import RunError


def row(step: int) -> dict[str, object]:
    return {"kind": "train", "step": step, "time_s": step / 2, "values": {"loss": 1 / step}}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Rows of steps 10, 20, 30."""
    history = History(tmp_path / "history.jsonl")
    for step in (10, 20, 30):
        history.append(row(step))
    return tmp_path / "history.jsonl"


def steps(path: Path) -> list[int]:
    return [row["step"] for row in read_history(path)]


def test_rows_come_back_to_the_last_digit(path: Path):
    assert read_history(path) == [row(10), row(20), row(30)]


def test_numbers_that_json_lacks_are_words_in_the_file_and_numbers_when_read(path: Path):
    values = {"a": math.nan, "b": [math.inf, -math.inf]}
    history = History(path)
    history.append({"step": 40, "values": values, "message": "nan in step 39"})
    assert b'{"a":"nan","b":["inf","-inf"]}' in path.read_bytes()
    last = read_history(path)[-1]
    assert math.isnan(last["values"]["a"])
    assert last["values"]["b"] == [math.inf, -math.inf]
    assert last["message"] == "nan in step 39"


def test_a_line_torn_anywhere_is_dropped_and_overwritten(path: Path):
    whole = path.read_bytes()
    third = whole.index(b'{"kind":"train","step":30')
    for length in range(third, len(whole)):
        path.write_bytes(whole[:length])
        assert steps(path) == [10, 20]
        History(path).append(row(30))
        assert path.read_bytes() == whole


def test_zeros_left_by_a_power_cut_are_dropped(path: Path):
    for torn in (b"", b'{"kind":"tra'):
        path.write_bytes(path.read_bytes() + torn + bytes(100))
        assert steps(path) == [10, 20, 30]
        History(path).append(row(40))
        assert steps(path) == [10, 20, 30, 40]
        History(path).truncate_after(30)


def test_a_row_can_be_read_while_the_file_is_open(tmp_path: Path):
    history = History(tmp_path / "history.jsonl")
    assert read_history(history.path) == []
    history.append(row(1))
    assert steps(history.path) == [1]


def test_the_future_that_a_resumed_run_left_is_removed(path: Path):
    history = History(path)
    history.append({"kind": "event", "step": 20, "event": "stopped", "message": ""})
    history.truncate_after(20)
    history.append(row(25))
    assert steps(path) == [10, 20, 20, 25]


def test_truncating_where_nothing_follows_leaves_the_file_alone(path: Path):
    before = path.stat()
    History(path).truncate_after(30)
    assert path.stat().st_ino == before.st_ino
    assert steps(path) == [10, 20, 30]


def test_a_damaged_line_between_good_ones_is_an_error_with_its_number(path: Path):
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(lines[0] + b"{broken\n" + lines[2])
    with pytest.raises(RunError, match=r"history.jsonl, line 2: found b'\{broken.n'"):
        read_history(path)


@pytest.mark.parametrize(
    "garbage",
    [
        b"garbage",
        b"garbage\n",
        b"{garbage",
        b'{"step": garbage',
        b"[1, 2",
        b"3",
        b"\x89PNG\r\n\x1a",
    ],
)
@pytest.mark.parametrize("before", [0, 3])
def test_a_last_line_that_no_kill_leaves_is_an_error_and_stays_as_it_is(
    path: Path, before: int, garbage: bytes
):
    damaged = (path.read_bytes() if before else b"") + garbage
    path.write_bytes(damaged)
    for use in (read_history, History):
        with pytest.raises(RunError, match=rf"history.jsonl, line {before + 1}: found b'"):
            use(path)
    assert path.read_bytes() == damaged


@pytest.mark.parametrize("ascii_only", [True, False])
def test_every_beginning_of_a_row_is_torn_and_with_a_foreign_end_it_is_not(ascii_only: bool):
    values = {
        "a": -1.5e-07,
        "b": "inf",
        "c": [True, False, None],
        "d": [1, {"é": 'ü"\\\n'}],
        "e": {},
    }
    whole = json.dumps({"step": 30, "values": values}, ensure_ascii=ascii_only).encode()
    assert all(is_torn(whole[:length]) for length in range(1, len(whole) + 1))
    outside = [n for n in range(1, len(whole)) if whole[:n].count(b'"') == 2]
    assert not any(is_torn(whole[:length] + b"#!") for length in outside)
    assert not is_torn(b"")


def test_a_missing_file_is_named(tmp_path: Path):
    with pytest.raises(RunError, match=r"history.jsonl: cannot be read: No such file"):
        read_history(tmp_path / "history.jsonl")
    with pytest.raises(RunError, match=r"history.jsonl: not written: the folder"):
        History(tmp_path / "nowhere" / "history.jsonl")


def test_a_full_disk_is_told_and_leaves_whole_rows(path: Path):
    history = History(path)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size + 20, hard))
    try:
        with pytest.raises(RunError, match=r"history.jsonl: not written: no space left"):
            history.append(row(40))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert path.read_bytes().endswith(b"}\n")
    history.append(row(40))
    assert steps(path) == [10, 20, 30, 40]
