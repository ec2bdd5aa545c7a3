"""Numbers are short, evenly precise and never ambiguous about their unit."""

import math

import pytest

from wellposed.engine.telling.figures import clock, number, split_unit


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (-9.84, "dB", "-9.8 dB"),
        (-0.04, "dB", "0.0 dB"),
        (-math.inf, "dB", "-inf dB"),
        (312.4, "items/s", "312 items/s"),
        (0.0, "", "0"),
        (1.2345, "", "1.23"),
        (-12.345, "", "-12.3"),
        (0.012345, "", "0.0123"),
        (0.001, "", "0.00100"),
        (99999.0, "", "99999"),
        (0.00099, "", "9.9e-04"),
        (123456.0, "", "1.2e+05"),
        (math.nan, "", "nan"),
    ],
)
def test_a_number_has_three_digits_and_its_unit(value: float, unit: str, text: str):
    assert number(value, unit) == text


def test_fewer_digits_can_be_asked_for():
    assert [number(x, digits=2) for x in (1.68, 13.7, 0.168)] == ["1.7", "14", "0.17"]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (2467.9, "00:41:07"),
        (0.0, "00:00:00"),
        (131 * 3600 + 61.0, "131:01:01"),
        (math.nan, "--:--:--"),
        (math.inf, "--:--:--"),
    ],
)
def test_a_duration_is_hours_minutes_and_seconds(seconds: float, text: str):
    assert clock(seconds) == text


def test_the_unit_at_the_end_of_a_name_is_split_off():
    assert split_unit("si_sdr_db") == ("si_sdr", "dB")
    assert split_unit("stoi") == ("stoi", "")
