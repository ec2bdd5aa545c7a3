"""What a system shows beside sounds comes back as it was written, and only if it fits."""

import math
from pathlib import Path

import pytest

from wellposed.engine.telling.exhibit import (
    Axis,
    Curve,
    Exhibit,
    Map,
    Picture,
    Spot,
    read_exhibit,
    write_exhibit,
)
from wellposed.errors import RunError

ANGLE = Axis("azimuth", "deg", [-30.0, 0.0, 30.0])
RANGE = Axis("range", "m", [1.0, 2.0])
MAP = Map(
    "Power",
    "one peak at 0 deg, 2 m",
    ANGLE,
    RANGE,
    [[-9.0, -3.0, -9.0], [-6.0, 0.0, -6.0]],
    "dB",
    spots=[Spot(0.0, 2.0, "true", "1")],
)


def test_an_exhibit_comes_back_as_it_was_written(tmp_path: Path):
    curve = Curve("Spectrum", "a peak", ANGLE, [0.0, 1.0, 0.0], spots=[Spot(0.0)])
    shown = Exhibit("Two sources", "at 5 dB", [MAP, curve, Picture("Array", "a line", "a.png")])
    assert read_exhibit(write_exhibit(tmp_path / "01", shown)) == shown


def test_a_value_that_is_not_finite_is_a_gap(tmp_path: Path):
    curve = Curve("Spectrum", "a gap", ANGLE, [0.0, math.inf, 1.0])
    back = read_exhibit(write_exhibit(tmp_path, Exhibit("", "", [curve]))).items[0]
    assert isinstance(back, Curve)
    assert [math.isnan(value) for value in back.values] == [False, True, False]


@pytest.mark.parametrize(
    ("item", "reason"),
    [
        (Curve("c", "w", ANGLE, [0.0, 1.0]), "do not fit"),
        (Map("m", "w", ANGLE, RANGE, [[0.0, 1.0, 2.0]]), "do not fit"),
        (Curve("c", "w", Axis("t", "s", [0.0, 0.0]), [1.0, 1.0]), "do not rise"),
        (Picture("p", "w", "../secret.png"), "no name of a file"),
    ],
)
def test_what_does_not_fit_is_refused_before_it_is_written(tmp_path: Path, item, reason):
    with pytest.raises(ValueError, match=reason):
        write_exhibit(tmp_path, Exhibit("t", "c", [item]))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "text", ["", "[]", '{"title": 1}', '{"title":"","caption":"","items":[{}]}']
)
def test_another_file_is_named_with_what_is_wrong(tmp_path: Path, text: str):
    path = tmp_path / "exhibit.json"
    path.write_text(text)
    with pytest.raises(RunError, match=r"exhibit\.json: is no exhibit"):
        read_exhibit(path)
