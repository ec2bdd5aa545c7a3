"""Measurements in files: what is refused and why, and what is found in what is accepted."""

import csv
import json
import math

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from wellposed.cli import main
from wellposed.errors import DataError
from wellposed.systems.locate.arrays import Field, find_on_array
from wellposed.systems.locate.example import example
from wellposed.systems.locate.found import csv_of, json_of, text_of
from wellposed.systems.locate.snapshots import ArrayData, SurfaceData, array_data, read


@pytest.fixture(scope="module")
def surface():
    return example("surface", 0)[0]


@pytest.fixture(scope="module")
def line():
    return example("line", 0)[0]


def written(tmp_path, content):
    path = tmp_path / "measurements.npz"
    np.savez(path, **content)
    return path


def covariance_of(line):
    snapshots = line["snapshots"]
    kept = {name: line[name] for name in ("positions", "wavelength")}
    covariance = snapshots @ snapshots.conj().T / snapshots.shape[1]
    return kept | {"covariance": covariance, "number": np.array(snapshots.shape[1])}


def test_what_is_written_is_read(tmp_path, surface, line):
    found = read(written(tmp_path, surface))
    assert isinstance(found, SurfaceData)
    assert_close(found.heard[0], torch.from_numpy(surface["heard"]))
    found = read(written(tmp_path, line))
    assert isinstance(found, ArrayData)
    assert found.number == 50


def test_a_channel_may_lie_beside_the_measurements(tmp_path, surface):
    beside = tmp_path / "channel.npy"
    np.save(beside, surface["channel"])
    path = written(tmp_path, {name: surface[name] for name in ("heard", "codes")})
    assert isinstance(read(path, {"channel": beside}), SurfaceData)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"channel": None}, "Without H the places are not determined"),
        ({"heard": np.ones((16, 16))}, "complex numbers wanted"),
        ({"heard": np.ones(16, complex)}, "(measurements, chains)"),
        ({"heard": np.full((16, 16), np.nan + 0j)}, "256 of 256 values of heard are not finite"),
        ({"heard": np.ones((16, 15), complex)}, "channel to 16 chains, but heard has 15"),
        ({"codes": np.ones((15, 144), complex)}, "15 codes for 16 measurements"),
        ({"codes": np.ones((16, 100), complex)}, "codes of 100 elements, channel of 144"),
        ({"heard": np.ones((1, 2), complex), "codes": np.ones((1, 144), complex),
          "channel": np.ones((2, 144), complex)}, "4 real numbers, and one source has 5"),
        ({"heard": np.ones((0, 16), complex)}, "empty"),
    ],
)  # fmt: skip
def test_measurements_of_a_surface_that_cannot_be_used_are_refused(
    tmp_path, surface, change, reason
):
    content = {name: each for name, each in (surface | change).items() if each is not None}
    with pytest.raises(DataError) as caught:
        read(written(tmp_path, content))
    assert reason in str(caught.value)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"positions": None}, "no positions"),
        ({"positions": np.zeros((10, 2))}, "(sensors, 3)"),
        ({"positions": np.zeros((9, 3))}, "10 sensors in the data, 9 positions"),
        ({"wavelength": np.array(-1.0)}, "above 0 wanted"),
        ({"snapshots": np.ones((10, 3, 2), complex)}, "(sensors, T)"),
        ({"snapshots": np.ones((1, 5), complex), "positions": np.zeros((1, 3))}, "unknowns"),
    ],
)
def test_snapshots_of_an_array_that_cannot_be_used_are_refused(tmp_path, line, change, reason):
    content = {name: each for name, each in (line | change).items() if each is not None}
    with pytest.raises(DataError) as caught:
        read(written(tmp_path, content))
    assert reason in str(caught.value)


def test_a_covariance_is_asked_whether_it_can_be_one(line):
    good = covariance_of(line)
    array_data(good)
    skew = good["covariance"].copy()
    skew[0, 1] += 1
    negative = good["covariance"] - 20 * np.eye(10)
    for bad, reason in (
        (good | {"covariance": skew}, "not Hermitian: entry"),
        (good | {"covariance": negative}, "powers are not negative"),
        (good | {"covariance": good["covariance"][:, :5]}, "(sensors, sensors)"),
        (good | {"covariance": good["covariance"] * np.nan}, "not finite"),
        ({name: each for name, each in good.items() if name != "number"}, "without number"),
        (good | {"number": np.array(0)}, "at least one snapshot"),
    ):
        with pytest.raises(DataError) as caught:
            array_data(bad)
        assert reason in str(caught.value)


def test_a_covariance_and_its_snapshots_give_the_same_places(line):
    found = [
        find_on_array(array_data(each), Field((-60.0, 60.0)), 2)
        for each in (line, covariance_of(line))
    ]
    assert_close(found[0].places.azimuth, found[1].places.azimuth, atol=1e-5, rtol=0)
    assert_close(found[0].deviations, found[1].deviations, atol=1e-6, rtol=1e-3)


def test_sources_before_a_line_are_where_they_are(line):
    (found,) = [find_on_array(array_data(line), Field((-60.0, 60.0)), 4)]
    there = example("line", 0)[1]
    wanted = sorted(float(each.split()[2].rstrip(",")) for each in there.splitlines())
    azimuth = torch.rad2deg(found.places.azimuth).sort().values
    assert len(azimuth) == len(wanted) == 2
    spread = torch.rad2deg(found.deviations[0]).max()
    assert float((azimuth - torch.tensor(wanted)).abs().max()) < 4 * float(spread)


def test_more_sources_than_can_be_told_are_refused(line):
    with pytest.raises(DataError, match="at most 9 can be told"):
        find_on_array(array_data(line), Field(), 10)


def test_tables_hold_the_same_rows(line):
    found = [find_on_array(array_data(line), Field((-60.0, 60.0)), 2)]
    rows = json.loads(json_of(found))[0]["sources"]
    table = list(csv.DictReader(csv_of(found).splitlines()))
    assert [float(row["azimuth_deg"]) for row in table] == [row["azimuth_deg"] for row in rows]
    assert table[0]["range_m"] == ""
    assert rows[0]["range_m"] is None
    assert "far" in text_of(found)


def test_a_newcomer_makes_an_example_and_locates_it(tmp_path, capsys):
    sample, table, plot = (tmp_path / name for name in ("x.npz", "x.csv", "x.svg"))
    assert main(["locate", "example", "-o", str(sample)]) == 0
    assert "there: azimuth" in capsys.readouterr().out
    arguments = ["--start", "pursuit", "-o", str(table), "--plot", str(plot)]
    assert main(["locate", str(sample), *arguments]) == 0
    assert "azimuth [deg]" in capsys.readouterr().out
    assert len(list(csv.DictReader(table.read_text().splitlines()))) == 3
    assert plot.read_text().startswith("<?xml")


def test_another_file_is_told_what_is_wanted(tmp_path, capsys):
    path = tmp_path / "x.npz"
    path.write_bytes(b"nothing")
    assert main(["locate", str(path)]) == 1
    assert "is no .npz file" in capsys.readouterr().err
    np.savez(path, something=np.zeros(3))
    assert main(["locate", str(path)]) == 1
    assert "wellposed locate example" in capsys.readouterr().err


def test_a_weak_source_in_many_snapshots_is_told_and_noise_alone_is_not(line):
    """An eighth of the power of the noise: a penalty for every amplitude would hide it."""
    made = np.random.default_rng(0)
    sensors, number = len(line["positions"]), 200

    def white(*shape: int) -> np.ndarray:
        return (made.standard_normal((*shape, 2)) @ np.array([1, 1j])) / math.sqrt(2)

    turn = 2 * math.pi / float(line["wavelength"]) * math.sin(0.3)
    response = np.exp(1j * turn * line["positions"][:, :1])
    kept = {name: line[name] for name in ("positions", "wavelength")}
    noise = white(sensors, number)
    heard = noise + 0.35 * response * white(1, number)
    found = find_on_array(array_data(kept | {"snapshots": heard}), Field(), 3)
    assert len(found.places.azimuth) == 1
    assert float(found.places.azimuth[0]) == pytest.approx(0.3, abs=5 * float(found.deviations[0]))
    nothing = find_on_array(array_data(kept | {"snapshots": noise}), Field(), 3)
    assert len(nothing.places.azimuth) == 0


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (["--start", "network"], "needs a --model trained for it"),
        (["--model", "surface-small"], "of an array; this model"),
        (["--model", "surface-small", "--azimuth", "-60", "60"], "--azimuth: only of an array"),
    ],
)
def test_what_an_array_cannot_be_asked_is_refused(tmp_path, line, options, reason, capsys):
    assert main(["locate", str(written(tmp_path, line)), *options]) == 1
    assert reason in capsys.readouterr().err
