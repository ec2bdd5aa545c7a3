"""Banks of rooms: whole or refused, splits apart, and what the simulation of a room must be."""

import sys

import numpy as np
import pytest

from wellposed.cli import main
from wellposed.data.roombank import RoomBank, SyntheticRooms, bank_of
from wellposed.data.rooms import synthetic_response
from wellposed.errors import DataError


def bank(rooms: int = 20, places: int = 3) -> RoomBank:
    """Room r, place p: the direct sound, then r + 1 and p + 1 over a hundred."""
    made = [
        ([np.array([1, (r + 1) / 100, (p + 1) / 100][: 3 - p % 2], np.float32)
          for p in range(places)], 0.1 + r / 100)
        for r in range(rooms)
    ]  # fmt: skip
    return bank_of(8000, made, {"seed": 0})


def test_a_bank_comes_back_from_its_file_with_the_same_digest(tmp_path):
    path = tmp_path / "rooms.npz"
    path.write_bytes(bank().bytes())
    read = RoomBank.load(path, 8000)
    assert read.digest == bank().digest
    assert bank(places=2).digest != bank().digest
    assert path.read_bytes() == bank().bytes()


def test_a_damaged_file_another_rate_and_none_at_all_are_refused(tmp_path):
    path = tmp_path / "rooms.npz"
    content = bytearray(bank().bytes())
    path.write_bytes(content)
    with pytest.raises(DataError, match="rooms at 8000 Hz, the scenes are at 16000 Hz"):
        RoomBank.load(path, 16000)
    at = content.index(np.float32(0.07).tobytes())
    content[at : at + 4] = np.float32(0.08).tobytes()
    path.write_bytes(content)
    with pytest.raises(DataError, match="damaged"):
        RoomBank.load(path, 8000)
    path.write_bytes(b"no archive")
    with pytest.raises(DataError, match="is no room bank"):
        RoomBank.load(path, 8000)
    with pytest.raises(DataError, match="no such room bank"):
        RoomBank.load(tmp_path / "none.npz", 8000)


def test_every_room_belongs_to_one_split():
    numbers = [bank().numbers(split) for split in ("train", "valid", "test")]
    assert [len(each) for each in numbers] == [16, 2, 2]
    assert sorted(n for each in numbers for n in each) == list(range(20))
    with pytest.raises(DataError, match="wanted 10 at least"):
        bank(rooms=9)


def test_a_scene_has_one_room_and_no_two_voices_at_one_place():
    rng = np.random.default_rng(0)
    for _ in range(10):
        room = bank().room("train", rng)
        heard = [room.response(rng) for _ in range(3)]
        assert len({wave[1] for wave in heard}) == 1
        assert room.decay_s == pytest.approx(0.1 + heard[0][1] - 0.01, abs=1e-6)
        assert len({wave.tobytes() for wave in heard}) == 3
        assert room.response(rng).tobytes() in {wave.tobytes() for wave in heard}


def test_computed_rooms_draw_as_a_response_alone_does():
    made = SyntheticRooms(8000).room("train", (rng := np.random.default_rng(3))).response(rng)
    np.testing.assert_array_equal(made, synthetic_response(8000, np.random.default_rng(3)))


def test_simulated_rooms_decay_as_asked_and_repeat(tmp_path, capsys):
    pytest.importorskip("pyroomacoustics")
    path = tmp_path / "rooms.npz"
    command = ["data", "rooms", "-o", str(path), "--rate", "8000", "--rooms", "10"]
    assert main([*command, "--places", "2"]) == 0
    made = RoomBank.load(path, 8000)
    assert made.digest in capsys.readouterr().out
    assert main([*command, "--places", "2"]) == 1
    first = path.read_bytes()
    assert main([*command, "--places", "2", "--overwrite"]) == 0
    assert path.read_bytes() == first
    rng = np.random.default_rng(0)
    ratios = []
    for _ in range(10):
        room = made.room("train", rng)
        response = room.response(rng).astype(np.float64)
        assert response[0] == 1
        # Schroeder: what is left of the energy falls by 60 dB in the reverberation time.
        left = 10 * np.log10(np.cumsum(response[::-1] ** 2)[::-1] / np.sum(response**2))
        first_s, last_s = (np.argmax(left <= level) / 8000 for level in (-5, -25))
        ratios.append(3 * (last_s - first_s) / room.decay_s)
    # Sabine's formula assumes a diffuse field, which a small room is not: within a factor of two.
    assert 0.5 < np.median(ratios) < 2


def test_without_the_simulator_it_is_told_what_to_install(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "pyroomacoustics", None)
    assert main(["data", "rooms", "-o", str(tmp_path / "rooms.npz")]) == 1
    assert "pip install 'wellposed[rooms]'" in capsys.readouterr().err
